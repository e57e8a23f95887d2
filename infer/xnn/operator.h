/*
 * The XNNPACK operators that we use, in one form for both libraries that Debian has:
 *   Debian 12, snapshot of 2022-02: create takes channels and strides, setup takes sizes and pointers;
 *   Debian 13, snapshot of 2024-11: create, reshape (sizes, gives a workspace's size) and setup (pointers).
 * The library has no version number. A flag that came with the second form tells them apart.
 */
#ifndef YFV2D_XNN_OPERATOR_H
#define YFV2D_XNN_OPERATOR_H

#include "net.h"

#include <xnnpack.h>

#ifdef XNN_FLAG_TRANSIENT_INDIRECTION_BUFFER
#define YFV_XNN_RESHAPE 1
#else
#define YFV_XNN_RESHAPE 0
#endif

/* The operator of a step; kernel and bias as yfv_add says. Packed weights go to weights where the library allows it. */
enum xnn_status yfv_op_create(const yfv_step *s, const float *kernel, const float *bias, yfv_weights *weights,
	xnn_operator_t *op);

/* Fixes the operator's sizes and says how large a workspace it needs. */
enum xnn_status yfv_op_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace);

/* Fixes its pointers, after yfv_op_reshape. */
enum xnn_status yfv_op_setup(const yfv_step *s, xnn_operator_t op, void *workspace, const float *in, float *out);

#endif
