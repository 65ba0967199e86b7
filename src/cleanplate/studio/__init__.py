"""The studio: a page where anyone removes a thing from a shot and sees what is real.

Rooms, each importing only from those above it:

    pictures.py   small copies of frames and masks, as files the page shows
    tasks.py      what is done in a process of its own: read, track, clean
    work.py       the queue of such processes, and how one is ended
    project.py    one shot: its private folder, its marks, how far it has come
    desk.py       all projects: who finds which, and when one is removed
    forms.py      the command line's options as controls
    views.py      what the page shows of a project, as values and HTML
    page.py       what is on the page, and what its controls do
    server.py     where it listens, whom it lets in, what is left when it ends
"""
