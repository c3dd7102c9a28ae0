/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a site teaches about its later runs. Private to user/detect. */
#ifndef UNFREED_DETECT_LEARN_H
#define UNFREED_DETECT_LEARN_H

#include "user/detect/past.h"
#include "user/detect/trend.h"

/* Zeros: nothing. */
struct lesson trend__lesson(const struct trend *trend);

#endif /* UNFREED_DETECT_LEARN_H */
