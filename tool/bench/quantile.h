/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Quantiles of samples, and how sure they are. No distribution is assumed: what measures time on a computer is skewed
 * and has outliers, so there are no means and no deviations here. Pure functions on values in rising order.
 */
#ifndef TOOL_BENCH_QUANTILE_H
#define TOOL_BENCH_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>

/* With fewer samples nothing can be said about a median at 99 %: not even that it is between the least and the most. */
#define QUANTILE_LEAST_SAMPLES 8

/* The smallest value that at least `part` (0 to 1) of all are not above: nearest rank. nr is not 0. */
double quantile_at(const double *sorted, size_t nr, double part);

/*
 * The 99 % confidence interval of the median by order statistics: each end is one of the samples, and the interval
 * covers the true median with at least that probability, whatever the distribution. false: too few samples.
 */
bool quantile_median_interval(const double *sorted, size_t nr, double *low, double *high);

void quantile_sort(double *values, size_t nr);

#endif
