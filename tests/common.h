/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "compute/device-private.h"
#include "compute/launch.h"
#include "compute/tensor-private.h"

G_BEGIN_DECLS

/* Shared by the tests. The environment variables REFORMER_DEVICE and REFORMER_KERNELS choose what they run on. */

/* The default device, a new reference. The program keeps it until test_run() is over, so that it builds each kernel once. Ends the program with status 77 (skipped) and the reason where
 * there is none. */
ReformerDevice *test_device       (void);
/* One that nothing has used, by what the environment says now. Where somebody still holds the one before, it is that. */
ReformerDevice *test_new_device   (void);
/* g_test_run() for programs with a device. */
int             test_run          (void);
/* TRUE on devices that need thousands of times as long (oclgrind): tests then keep to tiny shapes. */
gboolean        test_device_slow  (ReformerDevice  *device);

/* Deterministic numbers: uniform in [-1, 1), or integers in [0, n). */
void            test_fill         (float           *values,
                                   gsize            n,
                                   guint32          seed);
void            test_fill_int     (gint32          *values,
                                   gsize            n,
                                   gint32           below,
                                   guint32          seed);

/* Tensors with these contents. The dimensions are given as int; their product must be the number of values. Values NULL: zeros. */
ReformerTensor *test_tensor       (ReformerDevice  *device,
                                   const float     *values,
                                   guint            n_dims,
                                   ...);
ReformerTensor *test_tensor_int   (ReformerDevice  *device,
                                   const gint32    *values,
                                   guint            n_dims,
                                   ...);
ReformerTensor *test_tensor_bytes (ReformerDevice  *device,
                                   const guint8    *values,
                                   guint            n_dims,
                                   ...);
/* All elements of a tensor; free with g_free(). */
float          *test_floats       (ReformerTensor  *tensor);
gint32         *test_ints         (ReformerTensor  *tensor);
guint8         *test_bytes        (ReformerTensor  *tensor);
guint16        *test_shorts       (ReformerTensor  *tensor);

/* The largest absolute value; NaN counts for nothing. */
double          test_largest      (const double    *values,
                                   gsize            n);

/* Fails the test, with index and values of the worst element, unless every |got - want| <= tolerance * max |want| (and finite). */
void            assert_close      (const char      *name,
                                   const float     *got,
                                   const double    *want,
                                   gsize            n,
                                   double           tolerance);
/* The same with an absolute bound. */
void            assert_near       (const char      *name,
                                   const float     *got,
                                   const double    *want,
                                   gsize            n,
                                   double           tolerance);
/* Equal to the bit. */
void            assert_same_bits  (const char      *name,
                                   const float     *got,
                                   const float     *want,
                                   gsize            n);
/* What this program prints in a process of its own, with the argument --print, where PoCL may use so many threads. Must end well. */
char           *test_print_elsewhere (const char   *threads);
/* Fails the test unless it prints `here` with one thread and with two. Nothing where the device is not PoCL's, which alone can be told how many to use. */
void            assert_same_elsewhere (ReformerDevice *device,
                                       const char     *here);
/* Fails the test with the run's error if it has one. */
void            assert_run        (ReformerRun     *run);

G_END_DECLS
