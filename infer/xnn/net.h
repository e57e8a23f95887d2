#ifndef YFV2D_XNN_NET_H
#define YFV2D_XNN_NET_H

#include <stddef.h>
#include <stdint.h>

/* What a step does. The first group runs an XNNPACK operator, the second a loop of ours. */
enum yfv_kind {
	YFV_CONV,
	YFV_MAXPOOL,
	YFV_AVGPOOL,
	YFV_BILINEAR,
	YFV_SOFTMAX,
	YFV_SIGMOID,
	YFV_HARDSWISH,
	YFV_CLAMP,
	YFV_LEAKY,   /* x below 0 times scale */
	YFV_CONV_Q8, /* from here to YFV_FILL: on int8 values */
	YFV_MAXPOOL_Q8,
	YFV_ADD_Q8,
	YFV_TO_Q8,   /* floats to int8 */
	YFV_FROM_Q8, /* int8 to floats */

	YFV_FILL,    /* the canvas's bytes, times scale, to floats */
	YFV_COPY,
	YFV_ADD,     /* in + in2 */
	YFV_MUL,     /* in * in2 */
	YFV_REPEAT,  /* each pixel kh times down and kw times across: nearest neighbour */
	YFV_MEAN,    /* over all pixels of a channel */
	YFV_PLANES,  /* pixels of channels to planes of pixels, without gaps */
	YFV_FILL_Q8, /* from here on int8 values: the canvas's bytes less 128 */
	YFV_COPY_Q8,
	YFV_REPEAT_Q8,
};

/*
 * One step. Places (in, in2, out) are offsets into the arena and strides distances between pixels, in floats or, of int8
 * values, in bytes; sizes are pixels and channels. in2_stride 0 uses one pixel of in2 for all.
 */
typedef struct {
	int32_t kind;
	size_t in, in2, out;
	size_t in_stride, in2_stride, out_stride;
	size_t h, w, c;    /* input */
	size_t oh, ow, oc; /* output */
	uint32_t kh, kw, sh, sw, dh, dw;
	uint32_t top, left, bottom, right;
	uint32_t groups;
	uint32_t flags; /* XNNPACK's */
	float lo, hi;   /* the output is clamped to these */
	float scale;    /* YFV_FILL and YFV_LEAKY only */
	float in_scale, in2_scale, out_scale; /* of int8 values: number = scale * (q - zero) */
	int8_t in_zero, in2_zero, out_zero;
} yfv_step;

typedef struct yfv_program yfv_program;
typedef struct yfv_memory yfv_memory;
typedef struct yfv_weights yfv_weights;

/* Makes the library ready, once in a process. 0, or xnn_status. */
int yfv_init(void);

/* Whether programs share equal weights in this library. */
int yfv_shares_weights(void);

/* Memory for the values of programs that run one after the other, empty. NULL without memory. */
yfv_memory *yfv_memory_new(void);

/* Frees it, after the programs bound to it; NULL is allowed. */
void yfv_memory_free(yfv_memory *m);

/* An empty program of at most that many steps; NULL without memory. */
yfv_program *yfv_new(size_t steps);

/*
 * Adds a step. A convolution takes its kernel (output channel, row, column, input channel of its group) and bias, which
 * may be NULL: floats, or int8 with a scale for each output channel and int32. All are copied. 0, or xnn_status.
 */
int yfv_add(yfv_program *p, const yfv_step *s, const void *kernel, const void *bias, const float *kernel_scale);

/* Binds all steps to memory, which has room for that many floats then; once, before the first run. 0, or xnn_status. */
int yfv_bind(yfv_program *p, yfv_memory *m, size_t floats);

/* Runs all steps on a canvas. 0, or xnn_status. */
int yfv_run(yfv_program *p, const uint8_t *bgr);

/* The number of the step at which the last run failed. */
size_t yfv_failed(const yfv_program *p);

/* The arena as the last run or yfv_bind left it; valid until another program of the same memory is bound or run. */
const float *yfv_arena(const yfv_program *p);

/* Frees all but the memory; NULL is allowed. */
void yfv_free(yfv_program *p);

#endif
