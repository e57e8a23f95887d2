#ifndef YFV2D_XNN_LOOPS_H
#define YFV2D_XNN_LOOPS_H

#include "net.h"

/* Runs a step that is a loop of ours. bgr is the canvas. */
void yfv_loop(const yfv_step *s, float *arena, const uint8_t *bgr);

/* The same for the loops on int8 values. */
void yfv_loop_q8(const yfv_step *s, float *arena, const uint8_t *bgr);

#endif
