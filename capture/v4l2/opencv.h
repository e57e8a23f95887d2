// A thin guard around cv::VideoCapture on its V4L2 backend. gocv lets C++ exceptions pass, which ends the process; this
// backend throws at buffers that it did not ask for.
#ifdef __cplusplus
extern "C" {
#endif

void *yfv_v4l2_open(const char *path);              // NULL if it cannot be opened
int yfv_v4l2_set(void *camera, int prop, double v); // 0 if OpenCV or the camera refused
double yfv_v4l2_get(void *camera, int prop);        // 0 if OpenCV failed
int yfv_v4l2_read(void *camera, void *mat);         // mat is a cv::Mat; 1: a picture, 0: none, -1: OpenCV failed
void yfv_v4l2_close(void *camera);

#ifdef __cplusplus
}
#endif
