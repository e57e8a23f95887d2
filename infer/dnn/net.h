#ifndef YFV2D_DNN_NET_H
#define YFV2D_DNN_NET_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Makes OpenCV work on its caller's thread alone, in the whole process. */
void yfv_one_thread(void);

/*
 * Loads an ONNX graph, runs it once on an empty picture and throws it away. 0 if the one output is float32, contiguous
 * and holds `values` elements; else 1 and the reason, one line, in err (err_len bytes, always terminated).
 */
int yfv_try_net(const void *onnx, size_t len, int width, int height, size_t values, char *err, size_t err_len);

/* BGR bytes, pixel by pixel, to three planes of floats 0..1. */
void yfv_fill(float *dst, const uint8_t *bgr, size_t pixels);

#ifdef __cplusplus
}
#endif
#endif
