#!/bin/bash
# English–Chinese texts of programs in Debian 12, for recipes/english-first-texts.json and two-hours.json:
# out/texts/programs.tsv (their catalogues), wesnoth.tsv (The Battle for Wesnoth) and help.tsv (LibreOffice's help). 1.1 GB are fetched,
# nothing is installed.
#
#     npm run build && bash scripts/samples/debian-texts.sh [folder for the packages]
set -euo pipefail
repo=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:-$repo/out/debian}
packages="apt aptitude artikulate audacious-plugins-data audacity-data bash binutils-common blender-data blinken bovo calibre
cantor coreutils darktable deluge-common digikam-data dpkg dpkg-dev emacs-common epiphany-browser-data evolution-common
filezilla-common five-or-more four-in-a-row freeciv-data gedit-common gimp-data git gnome-chess gnome-control-center-data
gnome-klotski gnome-mahjongg gnome-mines gnome-nibbles gnome-robots gnome-sudoku gnome-tetravex gnucash-common gnupg-l10n
gparted-common gramps granatier hitori homebank hugin-data iagno inkscape iso-codes kalgebra-common kalzium-data kanagram kapman
katomic kblocks kbounce kbruch kdenlive-data kdiamond kfourinline kgeography kgeography-data kgoldrunner khangman kig kigo
killbots kiriki kiten kjumpingcube klickety klines kmahjongg kmines kmplot kmymoney-common knetwalk kolf kollision kolourpaint
konquest konversation-data kpat kreversi krita-l10n kshisen ksirk ksnakeduel kspaceduel ksquares kstars-data ktouch ktuberling
ktuberling-data kturtle kubrick kwordquiz libreoffice-help-en-us libreoffice-help-zh-cn lightsoff lmms-common lskat lyx-common
marble mc-data minuet-data mixxx-data musescore-common mypaint-data nautilus-data palapeli parley parted picmi pidgin-data
qbittorrent quadrapassel rawtherapee-data rhythmbox-data rocs rosegarden scribus-data shotwell-common step subversion swell-foop
synaptic tali totem-common transmission-common tuxmath tuxpaint tuxpaint-data tuxtype util-linux-locales vim-runtime
virt-manager vlc-l10n wireshark-common wxmaxima"
for part in data did dm dw ei httt l low nr sof sota sotbe thot trow tsg ttb utbs; do packages="$packages wesnoth-1.16-$part"; done

mkdir -p "$folder" "$repo/out/texts"
cd "$folder"
[ -f fetched ] || { apt-get download $packages && touch fetched; }
for package in *.deb; do
  # Not every package has both; tar then says so.
  dpkg-deb --fsys-tarfile "$package" | tar -x --wildcards './usr/share/locale/zh_CN/*' './usr/share/games/wesnoth/1.16/locale/zh_CN/*' \
    './usr/share/libreoffice/help/*' 2>/dev/null || true
done
cd "$repo"
texts="node scripts/samples/parallel-text.mjs --max-characters 120"
$texts --gettext "$folder/usr/share/locale/zh_CN/LC_MESSAGES" --output out/texts/programs.tsv
$texts --gettext "$folder/usr/share/games/wesnoth/1.16/locale/zh_CN/LC_MESSAGES" --output out/texts/wesnoth.tsv
$texts --help-pages "$folder/usr/share/libreoffice/help/en-US" --translated "$folder/usr/share/libreoffice/help/zh-CN" --output out/texts/help.tsv
