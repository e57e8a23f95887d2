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

void yfv_to_601(uint8_t *d, int w, int h, int full, const int32_t *m) {
	int16_t shift[16384]; // maxSide
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
