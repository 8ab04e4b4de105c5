/* SPDX-License-Identifier: BSD-3-Clause */
/* Order statistics: see quantile.h. */
#include "quantile.h"

#include <math.h>
#include <stdlib.h>

#define OUTSIDE 0.005 /* the probability that the median is below the interval, and again that it is above */

static int compare(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

void quantile_sort(double *values, size_t nr)
{
	qsort(values, nr, sizeof(*values), compare);
}

double quantile_at(const double *sorted, size_t nr, double part)
{
	double rank = part * (double)nr;
	size_t at = rank > 0 ? (size_t)rank : 0;

	if (at && (double)at >= rank) /* the rank is whole: that value itself, counted from 1 */
		at--;
	return sorted[at < nr ? at : nr - 1];
}

/*
 * A sample is below the median as a coin falls. The most of them of which the probability that no more fall on one side
 * is OUTSIDE at most, plus one: the rank of the interval's end; 0: there is none. A term is kept as a number and a
 * power of two, since 2^-nr alone is too small for a double.
 */
static size_t end_rank(size_t nr)
{
	double term = 1, sum = 0;
	long power = -(long)nr;

	for (size_t k = 0; k < nr; k++) {
		sum += power < -1000 ? 0 : ldexp(term, (int)power);
		if (sum > OUTSIDE)
			return k;
		term *= (double)(nr - k) / (double)(k + 1);
		for (; term > 0x1p64; power += 64)
			term *= 0x1p-64;
	}
	return 0;
}

bool quantile_median_interval(const double *sorted, size_t nr, double *low, double *high)
{
	size_t k = end_rank(nr);

	if (!k)
		return false;
	*low = sorted[k - 1];
	*high = sorted[nr - k];
	return true;
}
