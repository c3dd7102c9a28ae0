/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* A C extension of Python: shop.serve() forgets a zlib stream. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdlib.h>
#include <zlib.h>

__attribute__((noipa)) static int forget_cart(void)
{
	z_stream *stream = calloc(1, sizeof(*stream));

	return stream ? inflateInit2(stream, 15) : Z_MEM_ERROR;
}

static PyObject *serve(PyObject *self, PyObject *args)
{
	(void)self;
	(void)args;
	return PyLong_FromLong(forget_cart());
}

static PyMethodDef methods[] = { { "serve", serve, METH_NOARGS, "" }, { NULL, NULL, 0, NULL } };

static struct PyModuleDef module = { PyModuleDef_HEAD_INIT, "shop", NULL, -1, methods,
				     NULL, NULL, NULL, NULL };

PyMODINIT_FUNC PyInit_shop(void)
{
	return PyModule_Create(&module);
}
