#ifndef YFV2D_FMA_H
#define YFV2D_FMA_H

/* How many ways of multiplying and adding this source has for the architecture, the widest first. */
int yfv_fma_ways(void);

/* The name of way i. */
const char *yfv_fma_name(int i);

/* Multiply-adds a second of way i on the calling thread, over that many seconds of CPU time; 0 if the processor lacks it. */
double yfv_fma_rate(int i, double seconds);

#endif
