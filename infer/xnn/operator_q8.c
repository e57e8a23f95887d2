//go:build !noxnnpack

#include "operator_q8.h"
#include "weights.h"

int yfv_q8(const yfv_step *s) { return s->kind >= YFV_CONV_Q8 && s->kind < YFV_FILL; }

#if YFV_XNN_RESHAPE

enum xnn_status yfv_q8_create(const yfv_step *s, const int8_t *kernel, const float *scale, const int32_t *bias,
	yfv_weights *weights, xnn_operator_t *op) {
	const struct xnn_quantization_params in = {s->in_zero, s->in_scale}, in2 = {s->in2_zero, s->in2_scale},
		out = {s->out_zero, s->out_scale};
	const union xnn_unary_params none = {0};
	switch (s->kind) {
	case YFV_CONV_Q8:
		return xnn_create_convolution2d_nhwc_qs8_qc8w(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw,
			s->dh, s->dw, s->groups, s->c / s->groups, s->oc / s->groups, s->in_stride, s->out_stride, s->in_zero,
			s->in_scale, scale, kernel, bias, s->out_zero, s->out_scale, INT8_MIN, INT8_MAX, s->flags, NULL,
			yfv_weights_cache(weights), op);
	case YFV_MAXPOOL_Q8:
		return xnn_create_max_pooling2d_nhwc_s8(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw, s->dh,
			s->dw, INT8_MIN, INT8_MAX, s->flags, op);
	case YFV_ADD_Q8:
		return xnn_create_binary_elementwise_nd(xnn_binary_add, xnn_datatype_qint8, &in, &in2, &out, s->flags, op);
	case YFV_TO_Q8:
		return xnn_create_unary_elementwise_nc(xnn_unary_convert, xnn_datatype_fp32, xnn_datatype_qint8, &none, NULL,
			&out, s->flags, op);
	case YFV_FROM_Q8:
		return xnn_create_unary_elementwise_nc(xnn_unary_convert, xnn_datatype_qint8, xnn_datatype_fp32, &none, &in,
			NULL, s->flags, op);
	}
	return xnn_status_unsupported_parameter;
}

enum xnn_status yfv_q8_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace) {
	size_t align = 1, oh, ow;
	const size_t all = s->h * s->w * s->c;
	*workspace = 0;
	switch (s->kind) {
	case YFV_CONV_Q8:
		return xnn_reshape_convolution2d_nhwc_qs8_qc8w(op, 1, s->h, s->w, workspace, &align, &oh, &ow, NULL);
	case YFV_MAXPOOL_Q8:
		return xnn_reshape_max_pooling2d_nhwc_s8(op, 1, s->h, s->w, s->c, s->in_stride, s->out_stride, &oh, &ow, NULL);
	case YFV_ADD_Q8:
		return xnn_reshape_binary_elementwise_nd(op, 1, &all, 1, &all, NULL);
	}
	return xnn_reshape_unary_elementwise_nc(op, s->h * s->w, s->c, s->in_stride, s->out_stride, NULL);
}

enum xnn_status yfv_q8_setup(const yfv_step *s, xnn_operator_t op, void *workspace, float *arena) {
	int8_t *bytes = (int8_t *)arena;
	switch (s->kind) {
	case YFV_CONV_Q8:
		return xnn_setup_convolution2d_nhwc_qs8_qc8w(op, workspace, bytes + s->in, bytes + s->out);
	case YFV_MAXPOOL_Q8:
		return xnn_setup_max_pooling2d_nhwc_s8(op, bytes + s->in, bytes + s->out);
	case YFV_ADD_Q8:
		return xnn_setup_binary_elementwise_nd(op, bytes + s->in, bytes + s->in2, bytes + s->out);
	case YFV_TO_Q8:
		return xnn_setup_unary_elementwise_nc(op, arena + s->in, bytes + s->out);
	case YFV_FROM_Q8:
		return xnn_setup_unary_elementwise_nc(op, bytes + s->in, arena + s->out);
	}
	return xnn_status_unsupported_parameter;
}

#else

enum xnn_status yfv_q8_create(const yfv_step *s, const int8_t *kernel, const float *scale, const int32_t *bias,
	yfv_weights *weights, xnn_operator_t *op) {
	(void)weights; /* the library packs and keeps them itself */
	switch (s->kind) {
	case YFV_CONV_Q8:
		return xnn_create_convolution2d_nhwc_qc8(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw,
			s->dh, s->dw, s->groups, s->c / s->groups, s->oc / s->groups, s->in_stride, s->out_stride, s->in_zero,
			s->in_scale, scale, kernel, bias, s->out_zero, s->out_scale, INT8_MIN, INT8_MAX, s->flags, op);
	case YFV_MAXPOOL_Q8:
		return xnn_create_max_pooling2d_nhwc_s8(s->top, s->right, s->bottom, s->left, s->kh, s->kw, s->sh, s->sw, s->dh,
			s->dw, s->c, s->in_stride, s->out_stride, INT8_MIN, INT8_MAX, s->flags, op);
	case YFV_ADD_Q8:
		return xnn_create_add_nd_qs8(s->in_zero, s->in_scale, s->in2_zero, s->in2_scale, s->out_zero, s->out_scale,
			INT8_MIN, INT8_MAX, s->flags, op);
	case YFV_TO_Q8:
		return xnn_create_convert_nc_f32_qs8(s->c, s->in_stride, s->out_stride, s->out_scale, s->out_zero, INT8_MIN,
			INT8_MAX, s->flags, op);
	case YFV_FROM_Q8:
		return xnn_create_convert_nc_qs8_f32(s->c, s->in_stride, s->out_stride, s->in_scale, s->in_zero, s->flags, op);
	}
	return xnn_status_unsupported_parameter;
}

enum xnn_status yfv_q8_reshape(const yfv_step *s, xnn_operator_t op, size_t *workspace) {
	(void)s, (void)op; /* setup does all */
	*workspace = 0;
	return xnn_status_success;
}

enum xnn_status yfv_q8_setup(const yfv_step *s, xnn_operator_t op, void *workspace, float *arena) {
	int8_t *bytes = (int8_t *)arena;
	const size_t all = s->h * s->w * s->c;
	(void)workspace;
	switch (s->kind) {
	case YFV_CONV_Q8:
		return xnn_setup_convolution2d_nhwc_qc8(op, 1, s->h, s->w, bytes + s->in, bytes + s->out, NULL);
	case YFV_MAXPOOL_Q8:
		return xnn_setup_max_pooling2d_nhwc_s8(op, 1, s->h, s->w, bytes + s->in, bytes + s->out, NULL);
	case YFV_ADD_Q8:
		return xnn_setup_add_nd_qs8(op, 1, &all, 1, &all, bytes + s->in, bytes + s->in2, bytes + s->out, NULL);
	case YFV_TO_Q8:
		return xnn_setup_convert_nc_f32_qs8(op, s->h * s->w, arena + s->in, bytes + s->out, NULL);
	case YFV_FROM_Q8:
		return xnn_setup_convert_nc_qs8_f32(op, s->h * s->w, bytes + s->in, arena + s->out, NULL);
	}
	return xnn_status_unsupported_parameter;
}

#endif
