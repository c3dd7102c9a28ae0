#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
#
# Puts what a virtual machine needs into a folder, from the distribution's own mirror:
#
#   tests/vm/fetch.sh kernel SUITE FOLDER    FOLDER/vmlinuz: the kernel that a Debian suite has now
#   tests/vm/fetch.sh busybox - FOLDER       FOLDER/busybox: a static one
#
# Nothing is installed, and the system's package lists stay as they are: apt works on lists of its own
# in FOLDER/apt, for the mirror that the system itself uses. What is there already is not asked for
# again. 77: it cannot be had, and the last line says why.
set -eu
what=$1 suite=$2 folder=$3

cannot()
{
	echo "$*"
	exit 77
}

case $what in
kernel) wanted=vmlinuz ;;
busybox) wanted=busybox ;;
*) exit 99 ;;
esac
[ ! -s "$folder/$wanted" ] || exit 0
command -v apt-get >/dev/null || cannot 'no apt-get here'
# shellcheck disable=SC1091 # any system's
. /etc/os-release
[ "$ID" = debian ] || cannot "the kernels come from Debian's suites, and this is ${PRETTY_NAME:-not Debian}"
[ "$suite" != - ] || suite=$VERSION_CODENAME
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || cannot "no $keyring"
# The first source of this system that has the suite it runs itself.
# shellcheck disable=SC2016 # apt's own variables
mirror=$(apt-get indextargets --format '$(SITE) $(CODENAME) $(COMPONENT)' 'Created-By: Packages' |
	sed -n "s/ $VERSION_CODENAME main\$//p" | head -n 1)
[ -n "$mirror" ] || cannot "no source of packages for $VERSION_CODENAME here"

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/new"
folder=$(cd "$folder" && pwd)
trap 'rm -rf "$folder/apt" "$folder/new"' EXIT
: >"$folder/apt/status"
echo "deb [signed-by=$keyring] $mirror $suite main" >"$folder/apt/sources.list"
cat >"$folder/apt/apt.conf" <<END
Dir::Etc::SourceList "$folder/apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$folder/apt";
Dir::State::status "$folder/apt/status";
Dir::Cache "$folder/apt/cache";
APT::Sandbox::User "root";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::Retries "2";
END
export APT_CONFIG="$folder/apt/apt.conf"

apt-get -q update >"$folder/apt.log" 2>&1 || cannot "$suite: $(tail -n 1 "$folder/apt.log")"

# The package that has the image: the metapackage depends on it, or on one that depends on it.
depends()
{
	apt-cache depends --no-recommends --no-suggests "$1" 2>/dev/null |
		sed -n "s/^ *\\(Pre\\)\\?Depends: \\($2[0-9].*\\)/\\2/p" | head -n 1
}

package=busybox-static
if [ "$what" = kernel ]; then
	package=$(depends linux-image-amd64 linux-image-)
	[ -n "$package" ] || cannot "$suite has no linux-image-amd64"
	binary=$(depends "$package" linux-binary-)
	package=${binary:-$package}
fi
cd "$folder/new"
apt-get -q download "$package" >>"$folder/apt.log" 2>&1 || cannot "$suite: $(tail -n 1 "$folder/apt.log")"
case $what in
kernel)	dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards './*/vmlinuz*' >image ;;
busybox) dpkg-deb --fsys-tarfile ./*.deb | tar -xO --wildcards './*bin/busybox' >image ;;
esac
[ -s image ] || cannot "$package has no $wanted in it"
chmod 755 image
mv image "$folder/$wanted"
