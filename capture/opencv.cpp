#include "opencv.h"

#include <climits>

#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
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

int yfv_picture_decode(void *mat, const void *data, size_t len) {
	if (len == 0 || len > INT_MAX) {
		return 0;
	}
	try {
		cv::Mat *m = static_cast<cv::Mat *>(mat);
		const cv::Mat bytes(1, static_cast<int>(len), CV_8UC1, const_cast<void *>(data));
		cv::imdecode(bytes, cv::IMREAD_COLOR, m);
		return m->empty() ? 0 : 1;
	} catch (...) {
		return 0;
	}
}
