/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* What a process grew by, and how much of it nothing found explains. Private to user/detect. */
#ifndef UNFREED_DETECT_EXPLAIN_H
#define UNFREED_DETECT_EXPLAIN_H

#include "user/detect/report.h"
#include "user/detect/share.h"

/* One site in the account. */
struct explained {
	const struct site *site;
	bool found;		/* it is growth or a leak, and explains a part */
	double share;		/* of the growth of resident memory, for those found */
	double private_share;	/* out: of the growth of accessible private memory */
};

/* Fills in the shares of private memory and *out. 0 or -ENOMEM. */
int tracked__explain(const struct tracked *tracked, const struct growth *growth,
		     struct explained *sites, size_t n, struct report_growth *out);

#endif /* UNFREED_DETECT_EXPLAIN_H */
