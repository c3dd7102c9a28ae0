// SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
// Rust: forgets zlib streams in a method of a trait, in a module.
use std::os::raw::{c_char, c_int, c_void};

#[link(name = "z")]
extern "C" {
    fn inflateInit2_(stream: *mut c_void, bits: c_int, version: *const c_char, sz: c_int) -> c_int;
}

mod shop {
    pub trait Serve {
        fn serve(&mut self);
    }

    pub struct Cart {
        pub streams: Vec<Box<[u64; 14]>>, // a z_stream has 112 bytes
        pub served: usize,
    }

    impl Serve for Cart {
        #[inline(never)]
        fn serve(&mut self) {
            forget(self);
            self.served += 1; // after the call: it is no tail call
        }
    }

    #[inline(never)]
    pub fn forget(cart: &mut Cart) {
        let mut stream = Box::new([0u64; 14]);
        let at = stream.as_mut_ptr() as *mut super::c_void;
        let r = unsafe { super::inflateInit2_(at, 15, b"1.2.11\0".as_ptr() as *const _, 112) };
        assert_eq!(r, 0);
        cart.streams.push(stream);
    }
}

use shop::Serve;

fn main() {
    let n = std::env::args().nth(1).map_or(300, |n| n.parse().unwrap());
    let mut cart = shop::Cart { streams: Vec::new(), served: 0 };
    for _ in 0..n {
        cart.serve();
        std::thread::sleep(std::time::Duration::from_micros(2500));
    }
    assert_eq!(cart.served, n);
}
