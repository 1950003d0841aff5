/* SPDX-License-Identifier: LGPL-2.1-or-later */

// Activations f and their slopes f'. -DACTIVATION=n chooses one; the numbers are those of ReformerActivation (ops/activation.h).

#define LINEAR 0
#define RELU 1
#define RELU2 2
#define RELU6 3
#define LEAKY_RELU 4
#define GELU 5
#define GELU_10 6
#define GELU_TANH 7
#define QUICK_GELU 8
#define SILU 9
#define HARDSWISH 10
#define MISH 11
#define SQRTSOFTPLUS 12
#define LAPLACE 13
#define SIGMOID 14
#define TANH 15

// Comparisons are written so that a NaN stays one. Products and sums are joined by mad (): fma () is a long emulation on devices without it.

inline vec
sigmoid (vec x)
{
  return 1.0f / (1.0f + exponential (-x));
}

// The distribution function of the normal distribution, (1 + erf (x / sqrt (2))) / 2, and in *density exp (-x^2 / 2). Absolute error of
// erf below 1e-7 and relative error of both tails below 1e-6: within 1, x times a polynomial in x^2; beyond, exp (-x^2 / 2) times a
// polynomial in 1 / (1 + 0.28 |x|). Both fitted to the least relative error.
inline vec
normal (vec x, vec *density)
{
  const vec s = x * x, t = fabs (x);
  const vec e = exponential (-0.5f * s);
  const vec k = 1.0f / mad (t, (vec) 0.28f, (vec) 1.0f);

  vec q = mad (k, (vec) -0.059083994f, (vec) 0.13041465f);
  q = mad (q, k, (vec) -0.0025854912f);
  q = mad (q, k, (vec) 0.109479025f);
  q = mad (q, k, (vec) 0.097707905f);
  q = mad (q, k, (vec) 0.11231748f);
  q = mad (q, k, (vec) 0.11167398f);
  q *= k * e;
  q = select (q, 1.0f - q, x > 0.0f);

  vec p = mad (s, (vec) -7.638248e-06f, (vec) 0.00011345003f);
  p = mad (p, s, (vec) -0.0011863012f);
  p = mad (p, s, (vec) 0.009973315f);
  p = mad (p, s, (vec) -0.06649036f);
  p = mad (p, s, (vec) 0.3989423f);

  *density = e;
  return select (q, mad (p, x, (vec) 0.5f), t < 1.0f);
}

#define DENSITY_0 0.39894228f // 1 / sqrt (2 pi)

#define MU 0.707107f
#define SIGMA 0.282095f

// f (x)
inline vec
activation (vec x)
{
#if ACTIVATION == RELU
  return select (x, (vec) 0.0f, x < 0.0f);
#elif ACTIVATION == RELU2
  const vec r = select (x, (vec) 0.0f, x < 0.0f);
  return r * r;
#elif ACTIVATION == RELU6
  const vec r = select (x, (vec) 0.0f, x < 0.0f);
  return select (r, (vec) 6.0f, r > 6.0f);
#elif ACTIVATION == LEAKY_RELU
  return select (x, 0.01f * x, x < 0.0f);
#elif ACTIVATION == GELU
  vec density;
  return x * normal (x, &density);
#elif ACTIVATION == GELU_10
  vec density;
  const vec y = x * normal (x, &density);
  return select (y, (vec) 10.0f, y > 10.0f);
#elif ACTIVATION == GELU_TANH
  // 1 + tanh (u) = 2 sigmoid (2 u)
  return x * sigmoid (1.5957691f * x * mad (0.044715f * x, x, (vec) 1.0f));
#elif ACTIVATION == QUICK_GELU
  return x * sigmoid (1.702f * x);
#elif ACTIVATION == SILU
  return x * sigmoid (x);
#elif ACTIVATION == HARDSWISH
  vec r = x + 3.0f;
  r = select (r, (vec) 0.0f, r < 0.0f);
  r = select (r, (vec) 6.0f, r > 6.0f);
  return x * r / 6.0f;
#elif ACTIVATION == MISH
  // tanh (log (1 + e)) = n / (n + 2) with n = (1 + e)^2 - 1
  const vec e = exponential (select (x, (vec) 20.0f, x > 20.0f)), n = e * (e + 2.0f);
  return x * (n / (n + 2.0f));
#elif ACTIVATION == SQRTSOFTPLUS
  const vec far = exponential (0.5f * x);
  return select (sqrt (select (x, (vec) 0.0f, x < 0.0f) + log1p (exponential (-fabs (x)))), far, x < -20.0f);
#elif ACTIVATION == LAPLACE
  vec density;
  return normal ((x - MU) / SIGMA, &density);
#elif ACTIVATION == SIGMOID
  return sigmoid (x);
#elif ACTIVATION == TANH
  return tanh (x);
#else
  return x;
#endif
}

// f' (x)
inline vec
slope (vec x)
{
#if ACTIVATION == RELU
  return select ((vec) 0.0f, (vec) 1.0f, x > 0.0f);
#elif ACTIVATION == RELU2
  return select ((vec) 0.0f, 2.0f * x, x > 0.0f);
#elif ACTIVATION == RELU6
  return select ((vec) 0.0f, (vec) 1.0f, (x > 0.0f) & (x < 6.0f));
#elif ACTIVATION == LEAKY_RELU
  return select ((vec) 0.01f, (vec) 1.0f, x > 0.0f);
#elif ACTIVATION == GELU || ACTIVATION == GELU_10
  vec density;
  const vec p = normal (x, &density), d = mad (x * DENSITY_0, density, p);
#if ACTIVATION == GELU_10
  return select (d, (vec) 0.0f, x * p > 10.0f);
#else
  return d;
#endif
#elif ACTIVATION == GELU_TANH
  const vec v = 1.5957691f * x * mad (0.044715f * x, x, (vec) 1.0f);
  const vec e = exponential (-v), s = 1.0f / (1.0f + e);
  return mad (x * s * (e * s), 1.5957691f * mad (0.134145f * x, x, (vec) 1.0f), s);
#elif ACTIVATION == QUICK_GELU
  const vec e = exponential (-1.702f * x), s = 1.0f / (1.0f + e);
  return mad (1.702f * x * s, e * s, s);
#elif ACTIVATION == SILU
  const vec e = exponential (-x), s = 1.0f / (1.0f + e);
  return mad (x * s, e * s, s);
#elif ACTIVATION == HARDSWISH
  return select (select (x / 3.0f + 0.5f, (vec) 0.0f, x < -3.0f), (vec) 1.0f, x > 3.0f);
#elif ACTIVATION == MISH
  const vec e = exponential (select (x, (vec) 20.0f, x > 20.0f)), n = e * (e + 2.0f), r = 1.0f / (n + 2.0f);
  return mad (4.0f * x * e * (1.0f + e) * r, r, n * r);
#elif ACTIVATION == SQRTSOFTPLUS
  const vec far = 0.5f * exponential (0.5f * x);
  const vec y = sqrt (select (x, (vec) 0.0f, x < 0.0f) + log1p (exponential (-fabs (x))));
  return select (0.5f * sigmoid (x) / y, far, x < -20.0f);
#elif ACTIVATION == LAPLACE
  vec density;
  normal ((x - MU) / SIGMA, &density);
  return density * (DENSITY_0 / SIGMA);
#elif ACTIVATION == SIGMOID
  const vec e = exponential (-x), s = 1.0f / (1.0f + e);
  return s * (e * s);
#elif ACTIVATION == TANH
  const vec t = tanh (x);
  return mad (-t, t, (vec) 1.0f);
#else
  return (vec) 1.0f;
#endif
}
