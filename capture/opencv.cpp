#include "opencv.h"

#include <new>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/videoio.hpp>

void yfv_opencv_quiet(void) {
	cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_FATAL);
}

void *yfv_video_open(const char *path) {
	cv::VideoCapture *v = nullptr;
	try {
		v = new cv::VideoCapture();
		if (v->open(path, cv::CAP_FFMPEG)) {
			return v;
		}
	} catch (...) {
	}
	delete v;
	return nullptr;
}

int yfv_video_read(void *video, void *mat) {
	try {
		return static_cast<cv::VideoCapture *>(video)->read(*static_cast<cv::Mat *>(mat)) ? 1 : 0;
	} catch (...) {
		return -1;
	}
}

double yfv_video_get(void *video, int prop) {
	try {
		return static_cast<cv::VideoCapture *>(video)->get(prop);
	} catch (...) {
		return 0;
	}
}

void yfv_video_close(void *video) { delete static_cast<cv::VideoCapture *>(video); }
