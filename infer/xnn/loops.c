//go:build !noxnnpack

#include "loops.h"

#include <string.h>

static void fill(const yfv_step *s, float *restrict out, const uint8_t *restrict bgr) {
	const size_t n = s->h * s->w * s->c;
	const float scale = s->scale;
	if (scale == 1.0f) { /* folded into the first convolution */
		for (size_t i = 0; i < n; i++) out[i] = (float)bgr[i];
		return;
	}
	for (size_t i = 0; i < n; i++) out[i] = (float)bgr[i] * scale;
}

/* Inlined with a constant c, so that a pixel is a few moves instead of a call. */
static inline __attribute__((always_inline)) void copy_channels(const yfv_step *s, const float *restrict in,
	float *restrict out, size_t c) {
	const size_t n = s->h * s->w, in_stride = s->in_stride, out_stride = s->out_stride;
	for (size_t i = 0; i < n; i++, in += in_stride, out += out_stride) memcpy(out, in, c * sizeof(float));
}

static void copy(const yfv_step *s, const float *restrict in, float *restrict out) {
	switch (s->c) { /* the runs that the project's network has most often */
	case 3: copy_channels(s, in, out, 3); break;
	case 6: copy_channels(s, in, out, 6); break;
	case 12: copy_channels(s, in, out, 12); break;
	case 24: copy_channels(s, in, out, 24); break;
	default: copy_channels(s, in, out, s->c);
	}
}

static float clamp(float v, float lo, float hi) {
	v = v < lo ? lo : v;
	return v > hi ? hi : v;
}

static void add(const yfv_step *s, const float *a, const float *b, float *out) {
	const size_t n = s->h * s->w, c = s->c;
	const float lo = s->lo, hi = s->hi;
	for (size_t i = 0; i < n; i++, a += s->in_stride, b += s->in2_stride, out += s->out_stride)
		for (size_t k = 0; k < c; k++) out[k] = clamp(a[k] + b[k], lo, hi);
}

static void mul(const yfv_step *s, const float *a, const float *b, float *out) {
	const size_t n = s->h * s->w, c = s->c;
	const float lo = s->lo, hi = s->hi;
	for (size_t i = 0; i < n; i++, a += s->in_stride, b += s->in2_stride, out += s->out_stride)
		for (size_t k = 0; k < c; k++) out[k] = clamp(a[k] * b[k], lo, hi);
}

static void repeat(const yfv_step *s, const float *restrict in, float *restrict out) {
	const size_t bytes = s->c * sizeof(float);
	for (size_t y = 0; y < s->oh; y++) {
		const float *row = in + y / s->kh * s->w * s->in_stride;
		for (size_t x = 0; x < s->w; x++, row += s->in_stride)
			for (uint32_t k = 0; k < s->kw; k++, out += s->out_stride) memcpy(out, row, bytes);
	}
}

static void mean(const yfv_step *s, const float *restrict in, float *restrict out) {
	const size_t n = s->h * s->w, c = s->c;
	const float share = 1.0f / (float)n;
	memset(out, 0, c * sizeof(float));
	for (size_t i = 0; i < n; i++, in += s->in_stride)
		for (size_t k = 0; k < c; k++) out[k] += in[k];
	for (size_t k = 0; k < c; k++) out[k] = clamp(out[k] * share, s->lo, s->hi);
}

/* Eight channels at a time: as many lines of the cache are read once, and written in order. */
static void planes(const yfv_step *s, const float *restrict in, float *restrict out) {
	const size_t n = s->h * s->w, stride = s->in_stride;
	size_t k = 0;
	for (; k + 8 <= s->c; k += 8, out += 8 * n)
		for (size_t i = 0; i < n; i++)
			for (size_t j = 0; j < 8; j++) out[j * n + i] = in[i * stride + k + j];
	for (; k < s->c; k++, out += n)
		for (size_t i = 0; i < n; i++) out[i] = in[i * stride + k];
}

void yfv_loop(const yfv_step *s, float *arena, const uint8_t *bgr) {
	const float *in = arena + s->in, *in2 = arena + s->in2;
	float *out = arena + s->out;
	switch (s->kind) {
	case YFV_FILL: fill(s, out, bgr); break;
	case YFV_COPY: copy(s, in, out); break;
	case YFV_ADD: add(s, in, in2, out); break;
	case YFV_MUL: mul(s, in, in2, out); break;
	case YFV_REPEAT: repeat(s, in, out); break;
	case YFV_MEAN: mean(s, in, out); break;
	case YFV_PLANES: planes(s, in, out); break;
	}
}
