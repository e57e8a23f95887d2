// A thin guard around cv::VideoCapture and cv::imdecode. gocv lets C++ exceptions pass, which ends the process; OpenCV 4.6
// throws from read() at files whose picture size changes and from imdecode() at headers with absurd sizes.
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

void yfv_opencv_quiet(void);

void *yfv_video_open(const char *path);      // NULL if it cannot be opened
int yfv_video_read(void *video, void *mat);  // mat is a cv::Mat; 1: a frame, 0: the end, -1: OpenCV failed
double yfv_video_get(void *video, int prop); // 0 if OpenCV failed
void yfv_video_close(void *video);

int yfv_picture_decode(void *mat, const void *data, size_t len); // 1: mat holds the picture as BGR, 0: it cannot be decoded

#ifdef __cplusplus
}
#endif
