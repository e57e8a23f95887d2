#include "opencv.h"

#include <pthread.h>
#include <signal.h>

#include <opencv2/core.hpp>
#include <opencv2/videoio.hpp>

namespace {

// Quiet keeps signals from this thread. OpenCV takes a wait that a signal interrupts for a failure, and Go's runtime sends
// SIGURG to its threads at any time. Signals for the process reach another thread.
struct Quiet {
	sigset_t before;
	Quiet() {
		sigset_t all;
		sigfillset(&all);
		pthread_sigmask(SIG_SETMASK, &all, &before);
	}
	~Quiet() { pthread_sigmask(SIG_SETMASK, &before, nullptr); }
};

cv::VideoCapture *capture(void *camera) { return static_cast<cv::VideoCapture *>(camera); }

} // namespace

void *yfv_v4l2_open(const char *path) {
	Quiet quiet;
	cv::VideoCapture *v = nullptr;
	try {
		v = new cv::VideoCapture();
		if (v->open(path, cv::CAP_V4L2)) {
			return v;
		}
	} catch (...) {
	}
	delete v;
	return nullptr;
}

int yfv_v4l2_set(void *camera, int prop, double v) {
	Quiet quiet;
	try {
		return capture(camera)->set(prop, v);
	} catch (...) {
		return 0;
	}
}

double yfv_v4l2_get(void *camera, int prop) {
	try {
		return capture(camera)->get(prop);
	} catch (...) {
		return 0;
	}
}

int yfv_v4l2_read(void *camera, void *mat) {
	Quiet quiet;
	try {
		return capture(camera)->read(*static_cast<cv::Mat *>(mat));
	} catch (...) {
		return -1;
	}
}

void yfv_v4l2_close(void *camera) {
	Quiet quiet;
	try {
		delete capture(camera);
	} catch (...) {
	}
}
