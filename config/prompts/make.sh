#!/bin/sh
# Makes the prompts beside this script anew: espeak-ng speaks, sox makes the music. 16 kHz, mono, 16 bit.
# To use your own voice, replace the WAV files: any rate, mono, 16 bit.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { # say NAME TEXT: speech at -3 dB, with a pause at the end so that it can be looped
    espeak-ng -v en-us -s 150 -p 45 -w "$work/$1.wav" "$2"
    sox -R -G "$work/$1.wav" -r 16000 -c 1 -b 16 "$1.wav" norm -3 pad 0.2 1.0
}

say waiting "Thank you for calling. You are in the queue. The next free agent will be with you shortly. Please hold the line."
say press-one "You need not wait at the phone. Press 1 at any time, and we will call you back. You keep your place in the queue."
for place in 1 2 3 4 5 6 7 8 9; do
    say "position-$place" "You are number $place in the queue."
done
say position "There are several callers before you. Please hold the line; you keep your place in the queue."
say position-wait-1 "You will probably be served within a minute."
for minutes in 2 3 5 10; do
    say "position-wait-$minutes" "You will probably be served within $minutes minutes."
done
say position-wait "It will probably take more than ten minutes."
say connecting "We are connecting you with a specialist who can use video. If no specialist is available, you will be connected with a voice specialist."
say unavailable "We are sorry. No specialist is available at the moment. You stay connected."
say callback "All our agents are busy. You need not wait: please hang up now, and we will call you back. You keep your place in the queue."

# Hold music: four chords of four plucked notes, two seconds each, soft in attack so that the loop has no seam.
chord() { # chord NUMBER NOTE NOTE NOTE NOTE
    sox -R -n -r 16000 -c 1 -b 16 "$work/chord$1.wav" synth 2.4 \
        sine "$2" sine "$3" sine "$4" sine "$5" \
        remix - fade q 0.25 2.4 0.9
}
chord 1 C3 G3 E4 B4
chord 2 A2 E3 C4 G4
chord 3 F2 C3 A3 E4
chord 4 G2 D3 B3 F4
# Each chord rings on while the next begins: 0.4 s of overlap at 0, 2, 4 and 6 s; the last fades to silence.
sox -R -m "$work/chord1.wav" \
    "|sox $work/chord2.wav -p pad 2" \
    "|sox $work/chord3.wav -p pad 4" \
    "|sox $work/chord4.wav -p pad 6" \
    -r 16000 -c 1 -b 16 "$work/music.wav"
sox -R "$work/music.wav" music.wav norm -15
