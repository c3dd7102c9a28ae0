/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The providers there are. The order in which they are asked is unwinder.c's. */
#ifndef UNFREED_UNWIND_PROVIDERS_H
#define UNFREED_UNWIND_PROVIDERS_H

#include "user/unwind/unwind.h"

extern const struct unwind_provider cfi_provider;
extern const struct unwind_provider hotspot_provider;
extern const struct unwind_provider trampoline_provider;
extern const struct unwind_provider frame_pointer_provider;

#endif /* UNFREED_UNWIND_PROVIDERS_H */
