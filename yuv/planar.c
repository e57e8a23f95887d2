#include "planar.h"

#include <libyuv.h>

static int scale_plane(const uint8_t *s, int stride, int sw, int sh, uint8_t *d, int dw, int dh) {
	ScalePlane(s, stride, sw, sh, d, dw, dw, dh, kFilterBox);
	return 0;
}

static int deep(const yfv_planar *p, uint8_t *d, uint8_t *u, uint8_t *v, int w, int h) {
	const uint16_t *sy = (const uint16_t *)p->y, *su = (const uint16_t *)p->u, *sv = (const uint16_t *)p->v;
	int ys = p->ys / 2, us = p->us / 2, vs = p->vs / 2;
	if (p->cw == w / 2 && p->ch == h / 2) return I010ToI420(sy, ys, su, us, sv, vs, d, w, u, w / 2, v, w / 2, w, h);
	if (p->cw == w / 2 && p->ch == h) return I210ToI420(sy, ys, su, us, sv, vs, d, w, u, w / 2, v, w / 2, w, h);
	if (p->cw == w && p->ch == h) return I410ToI420(sy, ys, su, us, sv, vs, d, w, u, w / 2, v, w / 2, w, h);
	return -1;
}

static int shallow(const yfv_planar *p, uint8_t *d, uint8_t *u, uint8_t *v, int w, int h) {
	int cw = w / 2, ch = h / 2;
	if (p->interleaved) return NV12ToI420(p->y, p->ys, p->u, p->us, d, w, u, cw, v, cw, w, h);
	if (p->u == NULL) return I400ToI420(p->y, p->ys, d, w, u, cw, v, cw, w, h);
	if (p->cw == cw && p->ch == ch) return I420Copy(p->y, p->ys, p->u, p->us, p->v, p->vs, d, w, u, cw, v, cw, w, h);
	CopyPlane(p->y, p->ys, d, w, w, h);
	scale_plane(p->u, p->us, p->cw, p->ch, u, cw, ch);
	return scale_plane(p->v, p->vs, p->cw, p->ch, v, cw, ch);
}

int yfv_from_planar(const yfv_planar *p, uint8_t *d, int w, int h) {
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	return p->depth > 8 ? deep(p, d, u, v, w, h) : shallow(p, d, u, v, w, h);
}

int yfv_from_yuy2(const uint8_t *s, int stride, uint8_t *d, int w, int h) {
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	return YUY2ToI420(s, stride, d, w, u, w / 2, v, w / 2, w, h);
}

static inline uint8_t clamp(int v) { return v < 0 ? 0 : v > 255 ? 255 : v; }

// Two loops that the compiler turns into vector code: luma is 16-bit arithmetic throughout, with 220/256 for 219/255 (off
// by 0.14 at most).
static void luma_rows(uint8_t *y, int w, const int16_t *shift, int full) {
	for (int x = 0; x < w; x++) {
		int16_t v = full ? 16 + (((uint16_t)y[x] * 220 + 128) >> 8) : y[x];
		v += shift[x];
		v = v < 0 ? 0 : v;
		y[x] = v > 255 ? 255 : v;
	}
}

void yfv_to_601(uint8_t *d, int w, int h, int full, const int32_t *m, int16_t *shift) {
	uint8_t *u = d + (size_t)w * h, *v = u + (size_t)w * h / 4;
	for (int row = 0; row < h / 2; row++) {
		for (int x = 0; x < w / 2; x++) {
			int cb = u[x] - 128, cr = v[x] - 128;
			u[x] = clamp(128 + ((m[2] * cb + m[3] * cr + (1 << 13)) >> 14));
			v[x] = clamp(128 + ((m[4] * cb + m[5] * cr + (1 << 13)) >> 14));
			shift[2 * x] = shift[2 * x + 1] = (m[0] * cb + m[1] * cr + (1 << 13)) >> 14;
		}
		luma_rows(d, w, shift, full);
		luma_rows(d + w, w, shift, full);
		d += 2 * (size_t)w;
		u += w / 2;
		v += w / 2;
	}
}
