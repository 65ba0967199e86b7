"""What is shown first of each command: examples, and of many options those that are needed first, under titles."""

EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "": (
        ("cleanplate demo", "A clip to try it on, made and cleaned."),
        ("cleanplate inpaint shot.mp4 mask.png -o clean.mp4", "Remove what is white in the mask."),
        ("cleanplate mask shot.mp4 --paint 0:first.png -o mask.mkv", "Follow what was painted on the first frame."),
    ),
    "inpaint": (
        ("cleanplate inpaint shot.mp4 mask.png -o clean.mp4", "Remove what is white in the mask."),
        (
            "cleanplate inpaint shot.mp4 mask.mkv carry -o clean.mkv --lossless",
            "The fastest method, and every other sample of the video as it was.",
        ),
        (
            "cleanplate inpaint shot.mp4 mask.png -o clean.mp4 --start 12s --end 00:00:20:00 --provenance where.mkv",
            "A part of it, and where each pixel comes from.",
        ),
        (
            "cleanplate inpaint shot.mp4 mask.mkv -o clean.mp4 --reference 40:painted.png",
            "Frame 40 as you have painted it; what is hidden there is carried to the other frames.",
        ),
    ),
    "demo": (("cleanplate demo -o demo", "The clip, the result and pictures of both, in the folder demo."),),
    "mask": (
        (
            "cleanplate mask shot.mp4 --paint 0:first.png 40:later.png -o mask.mkv",
            "Follow what is painted white on two frames.",
        ),
        ("cleanplate mask shot.mp4 --frame 40 --box 310 180 96 120 -o mask.mkv", "Find the outline in a box first."),
        (
            "cleanplate mask shot.mp4 --fixed --box 20 20 160 60 --start 2s --end 6s -o mask.mkv",
            "A logo or subtitle that stands still.",
        ),
        ("cleanplate mask shot.mp4 --find overlays -o found.toml", "Find logos and captions, and list them in a file."),
        ("cleanplate mask shot.mp4 --spans found.toml -o mask.mkv", "A mask of what such a file lists."),
        (
            "cleanplate mask shot.mp4 -o masks.mkv --paint 0:rider.png --thing bike --box 310 180 96 120 --each",
            "Two things, in one mask and in one each.",
        ),
    ),
    "evaluate": (
        ("cleanplate evaluate clean.mp4 truth.mp4 mask.png", "What is quick to measure."),
        ("cleanplate evaluate clean.mp4 truth.mp4 mask.png --metrics hole_psnr_db hole_ssim --json", "Two, as JSON."),
    ),
    "compose": (
        ("cleanplate compose street.mp4 dancer.mp4 dancer-mask.mp4 -o data", "One clip: the dancer over the street."),
        ("cleanplate compose DAVIS -o data --frames 60", "The paper's recipe, of a folder laid out as DAVIS is."),
        ("cleanplate compose DAVIS -o data --shadow --rough-mask any", "As real clips are."),
    ),
    "reproduce": (
        ("cleanplate reproduce table1 --scale small --data data --output results --workers 2", "Table 1, in hours."),
        ("cleanplate reproduce fig5 --scale tiny --data data", "Whether figure 5 can be made, in seconds."),
    ),
    "train": (
        ("cleanplate train data -o wang.pt --steps 10000", "The network of the method wang, on the clips of a folder."),
        ("cleanplate train data -o wang.pt --steps 20000 --resume", "Ended, and gone on with, for longer."),
    ),
    "batch": (
        ("cleanplate batch jobs.csv -o done --workers 2", "The rows of a table, two at a time."),
        ('cleanplate batch shots -o done --options "carry --dilate-px 8"', "The shots of a folder, each as said."),
    ),
    "studio": (
        ("cleanplate studio", "The page, in your browser."),
        ("cleanplate studio --port 8080 --no-browser", "At another port, opened by yourself."),
    ),
}
"""Of each command: words, and what they do. All of them are read by the tests."""

FIRST: dict[str, dict[str, tuple[str, ...]]] = {
    "inpaint": {
        "What comes out": ("output", "overwrite", "codec", "quality", "lossless", "provenance", "effects-mask"),
        "Which part of it": ("start", "end", "region", "size"),
        "What is removed": ("dilate-px", "extra-mask", "invert-mask", "effects", "reference"),
        "How long, and where": ("max-seconds", "resume", "device", "settings-file"),
    },
}
"""Of the commands with many options: those that are used first, under titles."""

GROUPS = {
    "method": "What the method is made of",
    "carry": "Carrying, of methods that carry",
    "unseen": "Making up what no frame shows, of carry-learn and painters",
    "network": "The network, of methods that learn",
    "canvas": "An input that moves with the picture, of dip-vid-flow-fast",
    "loss": "Weights of the losses, of methods that learn",
    "schedule": "What is learned when, of methods that learn",
    "fit": "Training, of methods that learn",
}
"""Titles of the other options, by their group."""
