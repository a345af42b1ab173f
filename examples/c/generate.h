/* generate.h: made-up reviews, for a demonstration without data */
#ifndef GENERATE_H
#define GENERATE_H

#include "tsv.h"

/* Adds `count` reviews, negative, neutral and positive in turn; the same seed gives the same ones.
 * Word order decides: nearly every pattern has a twin of another class with the same words. */
int reviews_generate(reviews *set, size_t count, uint64_t seed);

#endif
