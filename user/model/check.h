/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* The model's validator: what must hold after every record. For tests, and for nobody in a hurry. */
#ifndef UNFREED_MODEL_CHECK_H
#define UNFREED_MODEL_CHECK_H

#include "user/model/world.h"

/*
 * Adds up every region, every piece in flight and every handle, and compares with the accounts of
 * the sites, of the processes and of the world. NULL, or a static sentence that says what is wrong.
 */
const char *world__check(const struct world *world);

#endif /* UNFREED_MODEL_CHECK_H */
