#include "fma.h"

#include <stddef.h>
#include <time.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

/*
 * Each loop keeps enough sums going that none waits for another: latency (4 cycles on cores of today) times pipes (2 to 4).
 * The factor is just below 1 and the addend small, so that values stay ordinary numbers.
 */
#define FACTOR 0.999f
#define ADDEND 0.001f

#define EACH12(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11)
#define EACH16(X) EACH12(X) X(12) X(13) X(14) X(15)

/* Keeps the compiler from folding the loop away or knowing the sum. */
#define HIDE(v, reg) __asm__ volatile("" : "+" reg(v))

#if defined(__x86_64__)

__attribute__((target("avx512f"))) static void run_avx512(long n)
{
	__m512 f = _mm512_set1_ps(FACTOR), a = _mm512_set1_ps(ADDEND);
#define START(i) __m512 s##i = _mm512_set1_ps(1.0f + i);
#define STEP(i) s##i = _mm512_fmadd_ps(s##i, f, a);
#define KEEP(i) HIDE(s##i, "v");
	EACH16(START)
	while (n-- > 0) {
		EACH16(STEP)
	}
	EACH16(KEEP)
#undef START
#undef STEP
#undef KEEP
}

/* 16 registers: 12 sums and two constants. */
__attribute__((target("avx2,fma"))) static void run_avx2(long n)
{
	__m256 f = _mm256_set1_ps(FACTOR), a = _mm256_set1_ps(ADDEND);
#define START(i) __m256 s##i = _mm256_set1_ps(1.0f + i);
#define STEP(i) s##i = _mm256_fmadd_ps(s##i, f, a);
#define KEEP(i) HIDE(s##i, "x");
	EACH12(START)
	while (n-- > 0) {
		EACH12(STEP)
	}
	EACH12(KEEP)
#undef START
#undef STEP
#undef KEEP
}

static void run_sse(long n)
{
	__m128 f = _mm_set1_ps(FACTOR), a = _mm_set1_ps(ADDEND);
#define START(i) __m128 s##i = _mm_set1_ps(1.0f + i);
#define STEP(i) s##i = _mm_add_ps(_mm_mul_ps(s##i, f), a);
#define KEEP(i) HIDE(s##i, "x");
	EACH12(START)
	while (n-- > 0) {
		EACH12(STEP)
	}
	EACH12(KEEP)
#undef START
#undef STEP
#undef KEEP
}

static int has_avx512(void) { return __builtin_cpu_supports("avx512f"); }
static int has_avx2(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
static int has_sse(void) { return 1; }

#elif defined(__aarch64__)

static void run_neon(long n)
{
	float32x4_t f = vdupq_n_f32(FACTOR), a = vdupq_n_f32(ADDEND);
#define START(i) float32x4_t s##i = vdupq_n_f32(1.0f + i);
#define STEP(i) s##i = vfmaq_f32(s##i, f, a);
#define KEEP(i) HIDE(s##i, "w");
	EACH16(START)
	while (n-- > 0) {
		EACH16(STEP)
	}
	EACH16(KEEP)
#undef START
#undef STEP
#undef KEEP
}

static int has_neon(void) { return 1; }

#else

static void run_scalar(long n)
{
	float f = FACTOR, a = ADDEND;
	HIDE(f, "m");
#define START(i) float s##i = 1.0f + i;
#define STEP(i) s##i = s##i * f + a;
#define KEEP(i) HIDE(s##i, "m");
	EACH12(START)
	while (n-- > 0) {
		EACH12(STEP)
	}
	EACH12(KEEP)
#undef START
#undef STEP
#undef KEEP
}

static int has_scalar(void) { return 1; }

#endif

static const struct {
	const char *name;
	void (*run)(long);
	int (*has)(void);
	int per_turn; /* multiply-adds: sums times lanes */
} ways[] = {
#if defined(__x86_64__)
	{ "AVX-512", run_avx512, has_avx512, 16 * 16 },
	{ "AVX2 with FMA", run_avx2, has_avx2, 12 * 8 },
	{ "SSE2, multiply and add apart", run_sse, has_sse, 12 * 4 },
#elif defined(__aarch64__)
	{ "NEON", run_neon, has_neon, 16 * 4 },
#else
	{ "scalar", run_scalar, has_scalar, 12 },
#endif
};

int yfv_fma_ways(void) { return (int)(sizeof ways / sizeof ways[0]); }

const char *yfv_fma_name(int i) { return ways[i].name; }

static double thread_seconds(void)
{
	struct timespec t;
	if (clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t) != 0)
		return 0;
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Some 20 to 100 microseconds of work between looks at the clock. */
#define TURNS 20000

double yfv_fma_rate(int i, double seconds)
{
	if (!ways[i].has())
		return 0;
	ways[i].run(TURNS); /* wide units may take a moment to wake */
	double start = thread_seconds(), now;
	double done = 0;
	do {
		ways[i].run(TURNS);
		done += (double)TURNS * ways[i].per_turn;
		now = thread_seconds();
	} while (now - start < seconds && done < 1e14);
	return now > start ? done / (now - start) : 0;
}
