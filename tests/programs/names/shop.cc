/* SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause */
/* C++: forgets zlib streams in a member of a template, in namespaces, below a lambda. */
#include <chrono>
#include <cstdlib>
#include <thread>
#include <vector>
#include <zlib.h>

namespace shop {

template <typename Item> class Cart {
	std::vector<z_stream *> streams;

public:
	__attribute__((noipa)) void forget(Item n);
};

template <typename Item> void Cart<Item>::forget(Item n)
{
	for (Item i = 0; i < n; i++) {
		streams.push_back(new z_stream());
		if (inflateInit2(streams.back(), 15) != Z_OK)
			std::abort();
	}
}

namespace {

__attribute__((noipa)) void serve(Cart<int> &cart)
{
	cart.forget(1);
	asm volatile("");
}

}

}

int main(int argc, char **argv)
{
	shop::Cart<int> cart;

	for (int i = argc > 1 ? std::atoi(argv[1]) : 300; i; i--) {
		shop::serve(cart);
		std::this_thread::sleep_for(std::chrono::microseconds(2500));
	}
	return 0;
}
