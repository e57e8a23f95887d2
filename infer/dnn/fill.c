#include "net.h"

void yfv_fill(float *restrict dst, const uint8_t *restrict bgr, size_t pixels) {
	const float scale = 1.0f / 255.0f;
	float *restrict b = dst, *restrict g = dst + pixels, *restrict r = dst + 2 * pixels;
	for (size_t i = 0; i < pixels; i++) {
		b[i] = (float)bgr[3 * i] * scale;
		g[i] = (float)bgr[3 * i + 1] * scale;
		r[i] = (float)bgr[3 * i + 2] * scale;
	}
}
