#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: generate.sh FOLDER COMMAND...
# Runs gi-docgen, and lets the links between its pages, which name .md files as the source tree has them, name the .html files made of them.
set -e
folder=$1
shift
"$@" "--output-dir=$folder"
sed -i 's/href="\([a-z-]*\)\.md\([#"]\)/href="\1.html\2/g' "$folder"/*.html
