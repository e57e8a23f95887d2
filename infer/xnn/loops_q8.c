//go:build !noxnnpack

#include "loops.h"

#include <string.h>

/* 0..255 to -128..127. */
static void fill(const yfv_step *s, uint8_t *restrict out, const uint8_t *restrict bgr) {
	const size_t n = s->h * s->w * s->c;
	for (size_t i = 0; i < n; i++) out[i] = bgr[i] ^ 0x80;
}

/* Inlined with a constant c, so that a pixel is a few moves instead of a call. */
static inline __attribute__((always_inline)) void copy_channels(const yfv_step *s, const int8_t *restrict in,
	int8_t *restrict out, size_t c) {
	const size_t n = s->h * s->w, in_stride = s->in_stride, out_stride = s->out_stride;
	for (size_t i = 0; i < n; i++, in += in_stride, out += out_stride) memcpy(out, in, c);
}

static void copy(const yfv_step *s, const int8_t *restrict in, int8_t *restrict out) {
	switch (s->c) { /* the runs that the project's network has most often */
	case 3: copy_channels(s, in, out, 3); break;
	case 6: copy_channels(s, in, out, 6); break;
	case 12: copy_channels(s, in, out, 12); break;
	case 24: copy_channels(s, in, out, 24); break;
	default: copy_channels(s, in, out, s->c);
	}
}

static void repeat(const yfv_step *s, const int8_t *restrict in, int8_t *restrict out) {
	for (size_t y = 0; y < s->oh; y++) {
		const int8_t *row = in + y / s->kh * s->w * s->in_stride;
		for (size_t x = 0; x < s->w; x++, row += s->in_stride)
			for (uint32_t k = 0; k < s->kw; k++, out += s->out_stride) memcpy(out, row, s->c);
	}
}

void yfv_loop_q8(const yfv_step *s, float *arena, const uint8_t *bgr) {
	int8_t *bytes = (int8_t *)arena, *in = bytes + s->in, *out = bytes + s->out;
	switch (s->kind) {
	case YFV_FILL_Q8: fill(s, (uint8_t *)out, bgr); break;
	case YFV_COPY_Q8: copy(s, in, out); break;
	case YFV_REPEAT_Q8: repeat(s, in, out); break;
	}
}
