#!/usr/bin/env bash
# The example programs run, and find what they should.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python=.venv/bin/python
fail() {
  echo "examples: $*" >&2
  exit 1
}

build/bin/stream_sensors
build/bin/forecast
build/bin/own_loop
build/bin/recommend
build/bin/reverse_words

# Generated reviews: order of words decides, and both models find it.
build/bin/reviews_train --out "$folder/demo" >"$folder/log" 2>"$folder/progress"
grep -q 'These reviews are generated\|these reviews are generated' "$folder/log" ||
  fail "reviews_train does not say that its reviews are generated"
[ "$(grep -c 'epoch 5/5' "$folder/progress")" = 2 ] || fail "reviews_train shows no line per epoch"
$python - "$folder/demo/history.json" <<'PY'
import json, sys
for model in json.load(open(sys.argv[1]))["models"]:
  assert model["valid_accuracy"] > 0.95, f"{model['name']} reached {model['valid_accuracy']}"
PY
$python examples/python/plot_history.py "$folder/demo/history.json" --out "$folder/curves.png" >/dev/null
[ -s "$folder/curves.png" ] || fail "plot_history.py drew nothing"

texts='the acting is good , not bad .
the plot is superb but the music is dull .
the story is neither good nor bad .'
expected='positive negative neutral'
found=$(echo "$texts" | build/bin/reviews_classify "$folder/demo/gru.refrain" | cut -f 1 | paste -sd ' ')
[ "$found" = "$expected" ] || fail "reviews_classify found '$found', expected '$expected'"
found=$(echo "$texts" | PYTHONPATH=bindings/python $python examples/python/reviews.py classify \
  "$folder/demo/gru.refrain" | cut -f 1 | paste -sd ' ')
[ "$found" = "$expected" ] || fail "reviews.py found '$found', expected '$expected'"

# A line of another form is reported with its number.
printf 'label\ttext\ngood\ta fine film\nno tab here\n' >"$folder/bad.tsv"
if build/bin/reviews_train --train "$folder/bad.tsv" --valid "$folder/bad.tsv" --out "$folder/x" \
  2>"$folder/message"; then
  fail "reviews_train took a file with a line of another form"
fi
grep -q 'bad.tsv:3: expected label<TAB>text' "$folder/message" || fail "found '$(cat "$folder/message")'"

# Another set of classes, trained by Python and used by C.
build/bin/reviews_train --write-tsv "$folder/tsv" >/dev/null
PYTHONPATH=bindings/python $python examples/python/reviews.py train --train "$folder/tsv/train.tsv" \
  --valid "$folder/tsv/valid.tsv" --out "$folder/python" --epochs 2 >/dev/null 2>&1
echo 'the plot is dull .' | build/bin/reviews_classify "$folder/python/lstm.refrain" | grep -q '^negative' ||
  fail "a model trained in Python does not classify in C"
# The Python examples that make up data of their own check their results themselves.
export PYTHONPATH=bindings/python
example() {
  local program=$1
  shift
  $python examples/python/"$program" "$@" >"$folder/log" 2>"$folder/progress" ||
    fail "$program: $(tail -n 1 "$folder/progress")"
}
example characters.py train --epochs 8 --out "$folder/characters.refrain"
example characters.py sample "$folder/characters.refrain" --temperature 0.3 --length 200
grep -Eq '^On [A-Z][a-z]+day [a-z ]+\.$' "$folder/log" || fail "characters.py wrote '$(cat "$folder/log")'"
example speakers.py --models 2 --epochs 12 --out "$folder/speakers"
example surnames.py train --epochs 5 --out "$folder/surnames.refrain"
found=$(printf 'Lanavortamogulneso\nLanagultamovorneso\nLata'"'"'mone\n' |
  $python examples/python/surnames.py classify "$folder/surnames.refrain" --best 1 |
  sed 's/.*\t\(.*\) .*/\1/' | paste -sd ' ')
[ "$found" = "Northern Southern Islander" ] || fail "surnames.py found '$found'"
example compare.py --cells RNN GRU 'LSTM({units}, dropout=0.1)' --same parameters --seeds 2 --epochs 10 \
  --out "$folder/compare.json" --picture "$folder/compare.png"
[ "$(grep -c '"epoch_kept"' "$folder/compare.json")" = 6 ] || fail "compare.py did not write six runs"
[ -s "$folder/compare.png" ] || fail "compare.py drew nothing"
example memory.py --length 30 --epochs 6 --units 32 --picture "$folder/memory.png"
[ -s "$folder/memory.png" ] || fail "memory.py drew nothing"

# Attention finds the sentence that judges, and a file's reviews are drawn as well.
example attention.py --out "$folder/attention.png"
grep -q 'These reviews are made up' "$folder/log" ||
  fail "attention.py does not say that its reviews are made up"
[ -s "$folder/attention.png" ] || fail "attention.py drew nothing"
example attention.py --train "$folder/tsv/train.tsv" --valid "$folder/tsv/valid.tsv" \
  --out "$folder/attention_tsv.png" --epochs 1
[ -s "$folder/attention_tsv.png" ] || fail "attention.py drew nothing of a file"

# Decoders: dates into ISO, and pairs of a file; words of a file in C.
example translate.py --out "$folder/alignment.png"
grep -q 'These dates are made up' "$folder/log" || fail "translate.py does not say that its dates are made up"
[ -s "$folder/alignment.png" ] || fail "translate.py drew nothing"
printf 'ab\tba\nabc\tcba\ncab\tbac\nba\tab\n' >"$folder/pairs.tsv"
example translate.py --train "$folder/pairs.tsv" --valid "$folder/pairs.tsv" --epochs 2 --out "$folder/pairs.png"
[ -s "$folder/pairs.png" ] || fail "translate.py drew nothing of a file"
printf '%s\n' alpha bravo charlie delta echo foxtrot golf hotel india juliet >"$folder/words"
build/bin/reverse_words "$folder/words" >"$folder/log" || fail "reverse_words does not take a file"
if build/bin/reverse_words "$folder/none" 2>"$folder/message"; then fail "reverse_words took no file"; fi

echo "examples: all run and find what they should"
