"""How fast the project is beside its peers and beside what the machine can do, and how its cost grows.

A time alone means nothing on a shared machine. Contenders at the same work take turns, repeat by repeat, together
with a large matrix product and a large copy (`timing`, `ceilings`); what is said of them are ratios within a repeat
(`verdicts`). Ours are called through the functions that the notebooks call or that those go through (`ours`), peers as
their documentation shows them (`peers_denoising`, `peers_diffusers`, `peers_features`, `peers_images`). `tasks` says
who competes in what, `scaling` how cost grows along `sizes`, each in a process of its own (`child`), `profiles` where
the time goes, and `collection` runs it all.
"""
