// The C side of encodertest's decoder: libavcodec, one picture out for one unit in.
#ifndef YFV_ENCODERTEST_DECODER_H
#define YFV_ENCODERTEST_DECODER_H

#include <stdint.h>

typedef struct yfv_testdec yfv_testdec;

// yfv_testdec_new makes a decoder of H.264, or of VP8; NULL if it cannot.
yfv_testdec *yfv_testdec_new(int vp8);

typedef struct {
	int w, h;
	int type; // 'I', 'P', 'B'
	int full_range;
	int matrix; // AVColorSpace: 2 unspecified, 5 BT.470BG, 6 SMPTE 170M; the last two are BT.601
} yfv_picture;

// yfv_testdec_decode takes one unit. 0: *p is its picture, which stays until the next call; else libavcodec's code.
int yfv_testdec_decode(yfv_testdec *d, const uint8_t *data, int len, yfv_picture *p);

// yfv_testdec_copy writes the last picture, I420 without padding.
void yfv_testdec_copy(const yfv_testdec *d, uint8_t *dst);

void yfv_testdec_free(yfv_testdec *d);

#endif
