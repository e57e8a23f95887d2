#include "planar.h"

#include <libyuv.h>

static int deep(const uint16_t *y, const uint16_t *u, const uint16_t *v, int ys, int cs, int cw, int ch, uint8_t *d, uint8_t *du,
                uint8_t *dv, int w, int h) {
	if (cw == w / 2 && ch == h / 2) return I010ToI420(y, ys, u, cs, v, cs, d, w, du, w / 2, dv, w / 2, w, h);
	if (cw == w / 2 && ch == h) return I210ToI420(y, ys, u, cs, v, cs, d, w, du, w / 2, dv, w / 2, w, h);
	if (cw == w && ch == h) return I410ToI420(y, ys, u, cs, v, cs, d, w, du, w / 2, dv, w / 2, w, h);
	return -1;
}

int yfv_from_planar(const uint8_t *y, const uint8_t *u, const uint8_t *v, int ys, int cs, int cw, int ch, int depth, uint8_t *d, int w,
                    int h) {
	uint8_t *du = d + (size_t)w * h, *dv = du + (size_t)w * h / 4;
	if (depth > 8)
		return deep((const uint16_t *)y, (const uint16_t *)u, (const uint16_t *)v, ys / 2, cs / 2, cw, ch, d, du, dv, w, h);
	if (u == NULL) return I400ToI420(y, ys, d, w, du, w / 2, dv, w / 2, w, h);
	if (v == NULL) return NV12ToI420(y, ys, u, cs, d, w, du, w / 2, dv, w / 2, w, h);
	if (cw == w / 2 && ch == h / 2) return I420Copy(y, ys, u, cs, v, cs, d, w, du, w / 2, dv, w / 2, w, h);
	CopyPlane(y, ys, d, w, w, h);
	ScalePlane(u, cs, cw, ch, du, w / 2, w / 2, h / 2, kFilterBox);
	ScalePlane(v, cs, cw, ch, dv, w / 2, w / 2, h / 2, kFilterBox);
	return 0;
}

int yfv_from_yuy2(const uint8_t *s, int stride, uint8_t *d, int w, int h) {
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	return YUY2ToI420(s, stride, d, w, u, w / 2, v, w / 2, w, h);
}

// The loops below are 16-bit arithmetic throughout, so that the compiler makes vector code of them.

// part is a * m with 6 fractional bits of what has 7 in a and 15 in m.
static inline int16_t part(int16_t a, int16_t m) { return ((int32_t)a * m) >> 16; }

static inline uint8_t whole(int16_t sum) {
	int16_t v = (int16_t)(sum + (128 << 6) + 32) >> 6;
	v = v < 0 ? 0 : v;
	return v > 255 ? 255 : v;
}

static void chroma_row(uint8_t *restrict u, uint8_t *restrict v, int16_t *restrict shift, int n, const int16_t *m) {
	int16_t m0 = m[0], m1 = m[1], m2 = m[2], m3 = m[3], m4 = m[4], m5 = m[5];
	for (int x = 0; x < n; x++) {
		int16_t cb = (u[x] - 128) << 7, cr = (v[x] - 128) << 7;
		u[x] = whole(part(cb, m2) + part(cr, m3));
		v[x] = whole(part(cb, m4) + part(cr, m5));
		shift[x] = (int16_t)(part(cb, m0) + part(cr, m1) + 32) >> 6;
	}
}

static void twice(const int16_t *restrict shift, int16_t *restrict out, int n) {
	for (int x = 0; x < n; x++) out[2 * x] = out[2 * x + 1] = shift[x];
}

static void luma_limited(uint8_t *restrict y, const int16_t *restrict shift, int n) {
	for (int x = 0; x < n; x++) {
		int16_t v = y[x] + shift[x];
		v = v < 0 ? 0 : v;
		y[x] = v > 255 ? 255 : v;
	}
}

// 220/256 for 219/255 is off by 0.14 at most.
static void luma_full(uint8_t *restrict y, const int16_t *restrict shift, int n) {
	for (int x = 0; x < n; x++) {
		int16_t v = 16 + ((uint16_t)(y[x] * 220 + 128) >> 8) + shift[x];
		v = v < 0 ? 0 : v;
		y[x] = v > 255 ? 255 : v;
	}
}

void yfv_to_601(uint8_t *d, int w, int h, int full, const int16_t *m) {
	int16_t half[8192], shift[16384]; // maxSide
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	for (int row = 0; row < h; row++) {
		if (row % 2 == 0) {
			chroma_row(u, v, half, w / 2, m);
			twice(half, shift, w / 2);
			u += w / 2;
			v += w / 2;
		}
		if (full)
			luma_full(d, shift, w);
		else
			luma_limited(d, shift, w);
		d += w;
	}
}
