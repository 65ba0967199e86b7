"""Reading and writing: containers, codecs, planes of YUV, sound and subtitles, timecode, shots, clips."""
