#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-only OR BSD-2-Clause
# Puts the jars of a broker into a folder and verifies each against its pinned checksum:
#   tests/kafka/fetch.sh VERSION FOLDER
# Asks the network only for what is not there. 77: it cannot be had.
set -eu
version=$1 folder=$2
here=$(cd "$(dirname "$0")" && pwd)
pinned=$here/checksums/$version
copy=org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies

# All that are pinned, as they are pinned, and no other: all of the folder is on the class path.
verify()
{
	(cd "$folder" 2>/dev/null && sha256sum --quiet --strict -c "$pinned" >/dev/null 2>&1 &&
		[ "$(find . -name '*.jar' | wc -l)" -eq "$(wc -l <"$pinned")" ])
}

verify && exit 0
command -v mvn >/dev/null || { echo "no maven: apt-get install maven"; exit 77; }
mkdir -p "$folder"
rm -f "$folder"/*.jar	# what an earlier attempt left
if ! timeout 200 mvn -q -B -f "$here/pom.xml" "-Dbroker=$version" "$copy" "-DoutputDirectory=$folder" \
	>"$folder/maven.log" 2>&1; then
	echo "Kafka $version cannot be fetched: $(grep -m1 ERROR "$folder/maven.log" || echo 'see maven.log')"
	exit 77
fi
verify || { echo "the jars of Kafka $version are not those that $pinned names"; exit 1; }
