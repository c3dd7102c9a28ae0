/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* Random numbers that are the same everywhere for the same seed. */
#ifndef UNFREED_TESTS_DETECTOR_DRAW_H
#define UNFREED_TESTS_DETECTOR_DRAW_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

struct draw {
	uint64_t state;
};

static inline uint64_t draw_bits(struct draw *draw)	/* splitmix64 (Steele, Lea, Flood 2014) */
{
	uint64_t z = (draw->state += 0x9e3779b97f4a7c15ull);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline double draw_unit(struct draw *draw)	/* [0, 1) */
{
	return (double)(draw_bits(draw) >> 11) * 0x1p-53;
}

static inline double draw_between(struct draw *draw, double low, double high)
{
	return low + (high - low) * draw_unit(draw);
}

static inline uint32_t draw_below(struct draw *draw, uint32_t n)
{
	return (uint32_t)(draw_unit(draw) * n);
}

static inline bool draw_chance(struct draw *draw, double p)
{
	return draw_unit(draw) < p;
}

static inline double draw_exponential(struct draw *draw, double mean)
{
	return -mean * log(1 - draw_unit(draw));
}

static inline double draw_normal(struct draw *draw)	/* Box and Muller */
{
	double r = sqrt(draw_exponential(draw, 2));

	return r * cos(2 * M_PI * draw_unit(draw));
}

static inline double draw_lognormal(struct draw *draw, double median, double sigma)
{
	return median * exp(sigma * draw_normal(draw));
}

static inline uint32_t draw_poisson(struct draw *draw, double mean)
{
	double bound, p = 1;
	uint32_t n = 0;

	if (mean <= 0)
		return 0;
	if (mean > 30) {
		p = mean + sqrt(mean) * draw_normal(draw) + 0.5;
		return p > 0 ? (uint32_t)p : 0;
	}
	for (bound = exp(-mean); (p *= draw_unit(draw)) > bound;)
		n++;
	return n;
}

#endif /* UNFREED_TESTS_DETECTOR_DRAW_H */
