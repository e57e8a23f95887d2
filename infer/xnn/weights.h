/* Packed weights, each kept once in the process for all programs, where the library lets us keep them. */
#ifndef YFV2D_XNN_WEIGHTS_H
#define YFV2D_XNN_WEIGHTS_H

#include "operator.h"

#if YFV_XNN_RESHAPE

/* The weights that one program uses. NULL without memory. */
yfv_weights *yfv_weights_new(void);

/* What operators of the program are created with; they take their weights through it until they are deleted. */
xnn_weights_cache_t yfv_weights_cache(yfv_weights *w);

/* Gives the program's weights back, after its operators are deleted; NULL is allowed. */
void yfv_weights_free(yfv_weights *w);

#endif
#endif
