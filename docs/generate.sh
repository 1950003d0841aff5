#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: generate.sh FOLDER PAGES COMMAND...
# Runs gi-docgen. It wants a page's title in a line of its own, which the pages of the source tree have as their heading. Links between pages name .md files there, and .html
# files in the reference; what lies outside of it is named without a link. Every picture beside the pages is taken along.
set -e
folder=$1 pages=$2
shift 2
titled=$(mktemp -d)
trap 'rm -rf "$titled"' EXIT
cp "$pages"/*.svg "$titled"
for page in "$pages"/*.md; do
  { sed -n '1s/^# /Title: /p' "$page"; echo; cat "$page"; } > "$titled/${page##*/}"
done
pictures=$(cd "$pages" && printf '"%s", ' *.svg)
sed "s/^content_images = .*/content_images = [${pictures%, }]/" "$pages/reformer.toml" > "$titled/reformer.toml"
"$@" "--config=$titled/reformer.toml" "--content-dir=$titled" "--output-dir=$folder"
sed -i -e 's/href="\([a-z-]*\)\.md\([#"]\)/href="\1.html\2/g' -e 's/<a href="\.\.\/[^"]*">\([^<]*\)<\/a>/\1/g' "$folder"/*.html
