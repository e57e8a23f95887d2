// A thin guard around cv::VideoCapture. gocv lets C++ exceptions pass, which ends the process, and OpenCV 4.6 throws from
// read() at files whose picture size changes.
#ifdef __cplusplus
extern "C" {
#endif

void yfv_opencv_quiet(void);

void *yfv_video_open(const char *path);      // NULL if it cannot be opened
int yfv_video_read(void *video, void *mat);  // mat is a cv::Mat; 1: a frame, 0: the end, -1: OpenCV failed
double yfv_video_get(void *video, int prop); // 0 if OpenCV failed
void yfv_video_close(void *video);

#ifdef __cplusplus
}
#endif
