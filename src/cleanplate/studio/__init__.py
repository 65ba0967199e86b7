"""The studio: a page where anyone removes a thing from a shot and sees what is real.

Files, each importing only from those above it:

    thumbnails.py  small copies of frames and masks, as files the page shows
    selection.py   the area that a box, a click or a brush selects on a frame
    finding.py     finding what goes with the thing, and making it a part of the mask where it was painted
    overlays.py    logos and captions that were found, and which are to be removed
    tracking.py    from the marks of each thing to one mask
    tasks.py       what is done in a process of its own: read, track, find, clean
    queue.py       the queue of such processes, and how one is ended
    store.py       a project's private folder: which files lie in it
    marks.py       what is marked on the frames of a shot, and how that is undone
    things.py      the things that are marked, each by itself
    effects.py     what goes with the thing: found, painted, wanted or not, and passed on
    paintings.py   frames that are painted elsewhere: taken out, given back, and passed on
    state.py       what is known of a shot, and the one job that works on it
    marking.py     what a user marks on it
    project.py     what a user does with it from the video to the result
    projects.py    all projects: who finds which, and when one is removed
    forms.py       the command line's options as controls
    players.py     what the page shows of a project in pictures
    views.py       what it says of it
    session.py     connects a page with a project: its token, and what is shown when something has changed
    screens.py     the scripts that show pictures
    steps.py, mark_step.py, clean_step.py   the steps of the page: their controls, and what these do
    page.py        the page, from top to bottom
    server.py      where it listens, whom it lets in, what is left when it ends
    command.py     the command `studio`

The words on the page: buttons and fields in steps.py, mark_step.py and clean_step.py, hints beside the picture in
views.py, those of the tools that mark and play in assets/controls.js, lists.js and player.js, the heading in page.py.
"""
