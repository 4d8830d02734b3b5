#!/bin/bash
# Prints words, lines and reading time of each file named.
for file in "$@"; do
  words=$(wc -w < "$file") || exit 1
  lines=$(wc -l < "$file")
  printf '%s: %d words, %d lines, %d min\n' "$file" "$words" "$lines" "$(((words + 199) / 200))"
done
