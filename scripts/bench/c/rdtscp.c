/*
 * An image library that OpenCV brings (libhwy) reads the clock at its start by an instruction that valgrind does not know on every
 * machine. This stands in its place while instructions are counted. Go does not compile it: scripts/bench does, when it runs.
 */

double _ZN3hwy8platform15TimerResolutionEv(void) { return 1e-9; }
