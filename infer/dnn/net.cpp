#include "net.h"

#include <algorithm>
#include <cstring>
#include <exception>
#include <string>
#include <opencv2/core.hpp>
#include <opencv2/core/ocl.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>

void yfv_one_thread(void) {
    cv::setNumThreads(1);
    cv::ocl::setUseOpenCL(false); // else the first layer looks for an OpenCL runtime and may load one
}

namespace {

// Quiet silences OpenCV's log for its lifetime: the reason reaches the caller as an error instead.
struct Quiet {
    cv::utils::logging::LogLevel before = cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    ~Quiet() { cv::utils::logging::setLogLevel(before); }
};

std::string try_net(const void *onnx, size_t len, int width, int height, size_t values) {
    cv::dnn::Net net = cv::dnn::readNetFromONNX(static_cast<const char *>(onnx), len);
    if (net.empty()) return "it has no layers";
    net.setPreferableBackend(cv::dnn::DNN_BACKEND_OPENCV);
    net.setPreferableTarget(cv::dnn::DNN_TARGET_CPU);
    if (net.getUnconnectedOutLayers().size() != 1) return "it has more than one output";
    const int dims[] = {1, 3, height, width};
    net.setInput(cv::Mat(4, dims, CV_32F, cv::Scalar(0)));
    cv::Mat out = net.forward();
    if (out.type() != CV_32F || !out.isContinuous()) return "its output is no block of float32 values";
    if (out.total() != values)
        return "its output holds " + std::to_string(out.total()) + " values in place of " + std::to_string(values);
    return "";
}

} // namespace

int yfv_try_net(const void *onnx, size_t len, int width, int height, size_t values, char *err, size_t err_len) {
    std::string why;
    try {
        Quiet quiet;
        why = try_net(onnx, len, width, height, values);
    } catch (const cv::Exception &e) {
        why = e.err.empty() ? e.what() : e.err;
    } catch (const std::exception &e) {
        why = e.what();
    } catch (...) {
        why = "unknown exception";
    }
    std::replace(why.begin(), why.end(), '\n', ' ');
    const size_t n = std::min(why.size(), err_len - 1);
    std::memcpy(err, why.data(), n);
    err[n] = 0;
    return why.empty() ? 0 : 1;
}
