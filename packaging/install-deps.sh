#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# Installs what unfreed needs from the distribution's own packages, and only what is missing.
#
#   packaging/install-deps.sh build     what `make` needs
#   packaging/install-deps.sh test      that, and what `make check` needs
#   packaging/install-deps.sh long      that, and what `make check-verify` needs
#   packaging/install-deps.sh vm        what `make check-kernels` needs; a part of test
#   packaging/install-deps.sh bpftool   prints the path of a bpftool that runs (installs nothing)
#
# Asks no question. Touches the package lists only when something is missing, so the second time
# it takes a fraction of a second. Debian 12 and 13, Ubuntu 22.04 and 24.04.
set -eu

# A C compiler and make; clang and llvm-strip for the BPF objects; the libraries' headers.
# libc6-dev is only recommended by gcc, so it is named here. bpftool is apart: see below.
BUILD_PACKAGES='gcc libc6-dev make pkg-config clang llvm libbpf-dev libelf-dev libdw-dev
zlib1g-dev libjson-c-dev libiberty-dev'

# The test runners; the runtimes whose leaks the live tests look at; the tools they compare with;
# the checkers of `make lint`.
TEST_PACKAGES='libcmocka-dev python3 python3-pytest default-jdk-headless nodejs binutils elfutils
gdb util-linux procps mandoc shellcheck clang-format systemd stress-ng redis-tools postgresql
libclang-rt-dev g++ rustc python3-dev xz-utils debuginfod maven openjdk-17-jdk-headless'

# Other kernels in virtual machines: 17 MB to fetch, 84 MB installed.
VM_PACKAGES='qemu-system-x86'

# Large, and not everywhere a package (Ubuntu has it as a snap only).
LONG_PACKAGES='chromium curl'

# Only for a system whose libbpf is too old.
NEWER_LIBBPF=/usr/local/lib/unfreed
KERNEL_SOURCE=linux-source-6.5.0
KERNEL_SOURCE_PACKAGES='bzip2 python3-minimal'

step()
{
	printf 'install-deps: %s\n' "$*"
}

die()
{
	printf 'install-deps: %s\n' "$*" >&2
	exit 1
}

installed()
{
	state=$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) && [ "$state" = installed ]
}

# A bpftool that runs. Ubuntu's /usr/sbin/bpftool is a wrapper that wants the tools of exactly the
# running kernel and fails without; any version of the real program beneath it does for us.
find_bpftool()
{
	for candidate in "${BPFTOOL:-bpftool}" /usr/sbin/bpftool /usr/lib/linux-tools/*/bpftool \
		/usr/lib/linux-tools-*/bpftool; do
		path=$(command -v "$candidate" 2>/dev/null) || continue
		if "$path" version >/dev/null 2>&1; then
			printf '%s\n' "$path"
			return 0
		fi
	done
	return 1
}

# Debian, and Ubuntu from 24.10 on, have a package bpftool; older Ubuntu has it in linux-tools.
bpftool_packages()
{
	if apt-cache policy bpftool 2>/dev/null | grep -q 'Candidate: [0-9]'; then
		echo bpftool
	else
		echo linux-tools-common linux-tools-generic
	fi
}

missing_of()
{
	for package in "$@"; do
		installed "$package" || printf '%s ' "$package"
	done
}

# A node, a Rust or a JDK that came from elsewhere than the distribution serves as well as its package; so
# does PostgreSQL's server of any version, and clang's libFuzzer wherever it lies.
have_otherwise()
{
	case $1 in
	nodejs) command -v node >/dev/null ;;
	rustc) command -v rustc >/dev/null ;;
	default-jdk-headless)
		for javac in /usr/lib/jvm/*/bin/javac; do
			[ -x "$javac" ] && return 0
		done
		return 1 ;;
	openjdk-17-jdk-headless)	# a broker of 2016 runs on no later one
		set -- /usr/lib/jvm/*17*/bin/javac && [ -x "$1" ] ;;
	postgresql) set -- /usr/lib/postgresql/*/bin/pgbench && [ -x "$1" ] ;;
	libclang-rt-dev)
		[ -e "$(clang -print-file-name=libclang_rt.fuzzer-x86_64.a 2>/dev/null)" ] ;;
	*) return 1 ;;
	esac
}

# What this release has no package for: the test that wants it skips, and says so.
without_unknown()
{
	for package in "$@"; do
		case $package in
		chromium | libclang-rt-dev | openjdk-17-jdk-headless)
			if ! apt-cache policy "$package" 2>/dev/null | grep -q 'Candidate: [0-9]'; then
				step "this system has no package $package: its tests are skipped" >&2
				continue
			fi ;;
		esac
		printf '%s ' "$package"
	done
}

# The tests make clusters of their own: the package need not make one, and start it at every boot.
want_no_cluster()
{
	case " $1 " in
	*' postgresql '*)
		install -d /etc/postgresql-common/createcluster.d
		echo 'create_main_cluster = false' \
			>/etc/postgresql-common/createcluster.d/unfreed-tests.conf ;;
	esac
}

apt()
{
	DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 "$@" </dev/null
}

libbpf_is_too_old()
{
	[ ! -e "$NEWER_LIBBPF/lib/pkgconfig/libbpf.pc" ] || return 1
	case $(dpkg-query -W -f '${Version}' libbpf-dev 2>/dev/null) in
	0.* | 1:0.*) return 0 ;;
	esac
	return 1
}

# From the package's tar in a tar to the library, without installing 1.3 GB of kernel source. The
# headers of the same kernel come along: libbpf's own refer to them. Only the static library stays.
build_newer_libbpf()
{
	folder=$(mktemp -d)
	trap 'rm -rf "$folder"' EXIT
	cd "$folder"
	apt -o APT::Sandbox::User=root download "$KERNEL_SOURCE" >/dev/null ||
		die "$KERNEL_SOURCE is not to be had: is jammy-updates among the package sources?"
	s=$KERNEL_SOURCE
	dpkg-deb --fsys-tarfile "$s"_*.deb | tar -xO "./usr/src/$s/$s.tar.bz2" |
		tar -xj --strip-components=1 "$s/tools/lib" "$s/tools/include" "$s/tools/scripts" \
			"$s/tools/build" "$s/tools/arch" "$s/scripts/bpf_doc.py" "$s/include/uapi"
	make -s -C tools/lib/bpf prefix="$NEWER_LIBBPF" libdir="$NEWER_LIBBPF/lib" install \
		>/dev/null || die "libbpf of $KERNEL_SOURCE does not build: the reason is above"
	rm -f "$NEWER_LIBBPF"/lib/libbpf.so*
	install -D -m 0644 -t "$NEWER_LIBBPF/include/linux" tools/include/uapi/linux/bpf.h \
		tools/include/uapi/linux/bpf_common.h tools/include/uapi/linux/btf.h
	cd / && rm -rf "$folder"
}

check_system()
{
	if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
		# shellcheck disable=SC1091 # any system's
		name=$(. /etc/os-release 2>/dev/null && printf '%s' "${PRETTY_NAME:-}") || name=
		die "this installer knows Debian and Ubuntu only, not ${name:-this system}." \
			"Fedora and its kin are not supported yet; install by hand what" \
			"docs/hacking.md lists, then run make"
	fi
}

install_packages()
{
	[ -n "$1" ] || return 0
	# shellcheck disable=SC2086 # a list of words
	step installing $1
	# shellcheck disable=SC2086 # likewise
	apt install --no-install-recommends $1 >/dev/null ||
		die "apt-get install failed: its own message is above"
}

main()
{
	[ $# -eq 1 ] || set -- usage
	case $1 in
	build) wanted=$BUILD_PACKAGES ;;
	test) wanted="$BUILD_PACKAGES $TEST_PACKAGES $VM_PACKAGES" ;;
	vm) wanted="$BUILD_PACKAGES $VM_PACKAGES python3 python3-pytest" ;;
	long) wanted="$BUILD_PACKAGES $TEST_PACKAGES $VM_PACKAGES $LONG_PACKAGES" ;;
	bpftool)
		find_bpftool || die "no bpftool that runs: sudo packaging/install-deps.sh build"
		return ;;
	*)
		echo 'usage: packaging/install-deps.sh build|test|vm|long|bpftool' >&2
		exit 2 ;;
	esac

	check_system
	missing=
	# shellcheck disable=SC2086 # a list of words
	for package in $(missing_of $wanted); do
		have_otherwise "$package" || missing="$missing $package"
	done
	tool=$(find_bpftool) || tool=
	if [ -z "$missing" ] && [ -n "$tool" ] && ! libbpf_is_too_old; then
		step "nothing is missing for \`$1\`"
		return
	fi
	if [ "$(id -u)" -ne 0 ]; then
		[ -n "$tool" ] || missing="$missing bpftool"
		! libbpf_is_too_old || missing="$missing a-newer-libbpf"
		die "missing:$missing; run as root: sudo packaging/install-deps.sh $1"
	fi

	step 'reading the package lists (apt-get update)'
	apt update >/dev/null || die 'apt-get update failed: its own message is above'
	[ -n "$tool" ] || missing="$missing $(bpftool_packages)"
	# shellcheck disable=SC2086 # a list of words
	missing=$(without_unknown $missing)
	want_no_cluster "$missing"
	install_packages "$missing"
	if libbpf_is_too_old; then
		# shellcheck disable=SC2086 # a list of words
		install_packages "$(missing_of $KERNEL_SOURCE_PACKAGES)"
		step "libbpf is too old here: building that of $KERNEL_SOURCE, about 90 s"
		build_newer_libbpf
	fi
	tool=$(find_bpftool) ||
		die 'installed, but no bpftool runs: is there a package linux-tools for this kernel?'
	step "done; bpftool is $tool"
}

main "$@"
