"""Operations on pictures: frames, pixels, warping, smooth completion, optical flow, making the unseen visible."""
