#!/bin/sh
# Answers for nvcc during the type-check: what version it is, which GPUs it knows,
# and an empty file for everything it is asked to compile. Nothing made with it runs.
set -eu

source_file=
into_file=
into_folder=
while [ "$#" -gt 0 ]; do
  case "$1" in
    --version)
      # Build scripts read the number off the fourth line or off the word "release".
      echo "nvcc: a stand-in for the type-check"
      echo "(it compiles nothing)"
      echo "(it only names a version)"
      echo "Cuda compilation tools, release 13.0, V13.0.88"
      exit 0
      ;;
    --list-gpu-code)
      echo "sm_80"
      echo "sm_90"
      exit 0
      ;;
    -o | --output-file)
      into_file=$2
      shift
      ;;
    --output-directory | -odir)
      into_folder=$2
      shift
      ;;
    *) source_file=$1 ;;
  esac
  shift
done

if [ -n "$into_file" ]; then
  : >"$into_file"
fi
if [ -n "$into_folder" ]; then
  : >"$into_folder/$(basename "$source_file" .cu).ptx"
fi
