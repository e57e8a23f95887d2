// Pictures as decoders and cameras give them, to packed I420.
#ifndef YFV_PLANAR_H
#define YFV_PLANAR_H

#include <stdint.h>

// A picture of planes; strides in bytes. No u: grey. Interleaved: u holds U and V by turns. Depth 10 is two bytes a sample.
typedef struct {
	const uint8_t *y, *u, *v;
	int ys, us, vs;
	int cw, ch; // size of the chroma planes that belongs to the picture's even size
	int depth, interleaved;
} yfv_planar;

// Both return 0, or what libyuv said.
int yfv_from_planar(const yfv_planar *p, uint8_t *d, int w, int h);
int yfv_from_yuy2(const uint8_t *s, int stride, uint8_t *d, int w, int h);

// yfv_to_601 converts I420 in place: luma from full range if asked, and by m (14 fractional bits): luma += m0 cb + m1 cr,
// cb = m2 cb + m3 cr, cr = m4 cb + m5 cr. shift is scratch for one row.
void yfv_to_601(uint8_t *d, int w, int h, int full, const int32_t *m, int16_t *shift);

#endif
