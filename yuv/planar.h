// Pictures as decoders and cameras give them, to packed I420.
#ifndef YFV_PLANAR_H
#define YFV_PLANAR_H

#include <stdint.h>

// Strides in bytes; cw and ch are the size of the chroma planes' part that belongs to the picture. No u: grey. No v: u holds
// U and V by turns. Depth 10 is two bytes a sample. Both return 0, or what libyuv said.
int yfv_from_planar(const uint8_t *y, const uint8_t *u, const uint8_t *v, int ys, int cs, int cw, int ch, int depth, uint8_t *d, int w,
                    int h);
int yfv_from_yuy2(const uint8_t *s, int stride, uint8_t *d, int w, int h);

// yfv_to_601 converts I420 in place: luma from full range if asked, and by m (15 fractional bits, each below 1): luma += m0 cb +
// m1 cr, cb = m2 cb + m3 cr, cr = m4 cb + m5 cr.
void yfv_to_601(uint8_t *d, int w, int h, int full, const int16_t *m);

#endif
