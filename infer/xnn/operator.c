//go:build !noxnnpack

#include "operator.h"
#include "weights.h"

static enum xnn_status create_conv(const yfv_step *s, const float *kernel, const float *bias, yfv_weights *weights,
	xnn_operator_t *op) {
	(void)weights; /* the older library packs and keeps them itself */
	return xnn_create_convolution2d_nhwc_f32(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw, s->dh, s->dw,
		s->groups, s->c / s->groups, s->oc / s->groups, s->in_stride, s->out_stride, kernel, bias, s->lo, s->hi, s->flags,
#if YFV_XNN_RESHAPE
		NULL, yfv_weights_cache(weights), /* no code cache */
#endif
		op);
}

#if YFV_XNN_RESHAPE

static enum xnn_status create_unary(const yfv_step *s, enum xnn_unary_operator type, xnn_operator_t *op) {
	union xnn_unary_params params = {0};
	if (type == xnn_unary_clamp) {
		params.clamp.min = s->lo;
		params.clamp.max = s->hi;
	}
	if (type == xnn_unary_leaky_relu) params.leaky_relu.negative_slope = s->scale;
	return xnn_create_unary_elementwise_nc(type, xnn_datatype_fp32, xnn_datatype_fp32, &params, NULL, NULL, s->flags, op);
}

enum xnn_status yfv_op_create(const yfv_step *s, const float *kernel, const float *bias, yfv_weights *weights,
	xnn_operator_t *op) {
	switch (s->kind) {
	case YFV_CONV:
		return create_conv(s, kernel, bias, weights, op);
	case YFV_MAXPOOL:
		return xnn_create_max_pooling2d_nhwc_f32(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw, s->dh,
			s->dw, s->lo, s->hi, s->flags, op);
	case YFV_AVGPOOL:
		return xnn_create_average_pooling2d_nhwc_f32(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw,
			s->lo, s->hi, s->flags, op);
	case YFV_BILINEAR:
		return xnn_create_resize_bilinear2d_nhwc_f32(s->oh, s->ow, s->flags, op);
	case YFV_SOFTMAX:
		return xnn_create_softmax_nc_f32(s->flags, op);
	case YFV_SIGMOID:
		return create_unary(s, xnn_unary_sigmoid, op);
	case YFV_HARDSWISH:
		return create_unary(s, xnn_unary_hardswish, op);
	case YFV_CLAMP:
		return create_unary(s, xnn_unary_clamp, op);
	case YFV_LEAKY:
		return create_unary(s, xnn_unary_leaky_relu, op);
	}
	return xnn_status_unsupported_parameter;
}

enum xnn_status yfv_op_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace) {
	size_t align = 1, oh, ow; /* every buffer of ours is aligned to a cache line, which is enough */
	*workspace = 0;
	switch (s->kind) {
	case YFV_CONV:
		return xnn_reshape_convolution2d_nhwc_f32(op, 1, s->h, s->w, workspace, &align, &oh, &ow, NULL);
	case YFV_MAXPOOL:
		return xnn_reshape_max_pooling2d_nhwc_f32(op, 1, s->h, s->w, s->c, s->in_stride, s->out_stride, &oh, &ow, NULL);
	case YFV_AVGPOOL:
		return xnn_reshape_average_pooling2d_nhwc_f32(op, 1, s->h, s->w, s->c, s->in_stride, s->out_stride, workspace,
			&align, &oh, &ow, NULL);
	case YFV_BILINEAR:
		return xnn_reshape_resize_bilinear2d_nhwc_f32(op, 1, s->h, s->w, s->c, s->in_stride, s->out_stride, workspace,
			&align, NULL);
	case YFV_SOFTMAX:
		return xnn_reshape_softmax_nc_f32(op, s->c, s->in_stride, s->out_stride, s->h * s->w, NULL);
	}
	return xnn_reshape_unary_elementwise_nc(op, s->h * s->w, s->c, s->in_stride, s->out_stride, NULL);
}

enum xnn_status yfv_op_setup(const yfv_step *s, xnn_operator_t op, void *workspace, const float *in, float *out) {
	switch (s->kind) {
	case YFV_CONV:
		return xnn_setup_convolution2d_nhwc_f32(op, workspace, in, out);
	case YFV_MAXPOOL:
		return xnn_setup_max_pooling2d_nhwc_f32(op, in, out);
	case YFV_AVGPOOL:
		return xnn_setup_average_pooling2d_nhwc_f32(op, workspace, in, out);
	case YFV_BILINEAR:
		return xnn_setup_resize_bilinear2d_nhwc_f32(op, workspace, in, out);
	case YFV_SOFTMAX:
		return xnn_setup_softmax_nc_f32(op, in, out);
	}
	return xnn_setup_unary_elementwise_nc(op, in, out);
}

#else

enum xnn_status yfv_op_create(const yfv_step *s, const float *kernel, const float *bias, yfv_weights *weights,
	xnn_operator_t *op) {
	switch (s->kind) {
	case YFV_CONV:
		return create_conv(s, kernel, bias, weights, op);
	case YFV_MAXPOOL:
		return xnn_create_max_pooling2d_nhwc_f32(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw, s->dh,
			s->dw, s->c, s->in_stride, s->out_stride, s->lo, s->hi, s->flags, op);
	case YFV_AVGPOOL:
		return xnn_create_average_pooling2d_nhwc_f32(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw,
			s->c, s->in_stride, s->out_stride, s->lo, s->hi, s->flags, op);
	case YFV_BILINEAR:
		return xnn_create_resize_bilinear2d_nhwc_f32(s->c, s->in_stride, s->out_stride, s->flags, op);
	case YFV_SOFTMAX:
		return xnn_create_softmax_nc_f32(s->c, s->in_stride, s->out_stride, s->flags, op);
	case YFV_SIGMOID:
		return xnn_create_sigmoid_nc_f32(s->c, s->in_stride, s->out_stride, s->flags, op);
	case YFV_HARDSWISH:
		return xnn_create_hardswish_nc_f32(s->c, s->in_stride, s->out_stride, s->flags, op);
	case YFV_CLAMP:
		return xnn_create_clamp_nc_f32(s->c, s->in_stride, s->out_stride, s->lo, s->hi, s->flags, op);
	case YFV_LEAKY:
		return xnn_create_leaky_relu_nc_f32(s->c, s->in_stride, s->out_stride, s->scale, s->flags, op);
	}
	return xnn_status_unsupported_parameter;
}

enum xnn_status yfv_op_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace) {
	(void)s, (void)op; /* setup does all */
	*workspace = 0;
	return xnn_status_success;
}

enum xnn_status yfv_op_setup(const yfv_step *s, xnn_operator_t op, void *workspace, const float *in, float *out) {
	(void)workspace;
	switch (s->kind) {
	case YFV_CONV:
		return xnn_setup_convolution2d_nhwc_f32(op, 1, s->h, s->w, in, out, NULL);
	case YFV_MAXPOOL:
		return xnn_setup_max_pooling2d_nhwc_f32(op, 1, s->h, s->w, in, out, NULL);
	case YFV_AVGPOOL:
		return xnn_setup_average_pooling2d_nhwc_f32(op, 1, s->h, s->w, in, out, NULL);
	case YFV_BILINEAR:
		return xnn_setup_resize_bilinear2d_nhwc_f32(op, 1, s->h, s->w, s->oh, s->ow, in, out, NULL);
	case YFV_SOFTMAX:
		return xnn_setup_softmax_nc_f32(op, s->h * s->w, in, out, NULL);
	case YFV_SIGMOID:
		return xnn_setup_sigmoid_nc_f32(op, s->h * s->w, in, out, NULL);
	case YFV_HARDSWISH:
		return xnn_setup_hardswish_nc_f32(op, s->h * s->w, in, out, NULL);
	case YFV_CLAMP:
		return xnn_setup_clamp_nc_f32(op, s->h * s->w, in, out, NULL);
	case YFV_LEAKY:
		return xnn_setup_leaky_relu_nc_f32(op, s->h * s->w, in, out, NULL);
	}
	return xnn_status_unsupported_parameter;
}

#endif
