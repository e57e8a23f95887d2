/* The XNNPACK operators on int8 values, in one form for both libraries; see operator.h. */
#ifndef YFV2D_XNN_OPERATOR_Q8_H
#define YFV2D_XNN_OPERATOR_Q8_H

#include "operator.h"

/* Whether a step is one of these. */
int yfv_q8(const yfv_step *s);

/* The operator of a step; kernel, scale and bias as yfv_add says, weights as yfv_op_create does. */
enum xnn_status yfv_q8_create(const yfv_step *s, const int8_t *kernel, const float *scale, const int32_t *bias,
	yfv_weights *weights, xnn_operator_t *op);

enum xnn_status yfv_q8_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace);

/* Fixes the pointers into the arena, after yfv_q8_reshape. */
enum xnn_status yfv_q8_setup(const yfv_step *s, xnn_operator_t op, void *workspace, float *arena);

#endif
