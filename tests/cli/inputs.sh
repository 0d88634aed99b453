# shellcheck shell=bash
# Sourced: make_bad_inputs IN spoils copies of what make_inputs wrote there.

make_bad_inputs() {
    local in=$1 n
    mkdir "$in"/{empty,truncated,ct,two,gap,bad_set,half_set} "$in"/bad_set/{T1w,T2w}
    mkdir -p "$in/half_set/T1w"
    printf 'only words\n' | tee "$in/text.txt" >"$in/text.nii"
    cp "$in"/axial/*.dcm "$in/truncated/"
    head -c 3000 "$in/axial/IM0020.dcm" >"$in/truncated/IM0020.dcm"
    head -c "$(($(stat -c %s "$in/axial.nii.gz") / 2))" "$in/axial.nii.gz" >"$in/truncated.nii.gz"
    head -c 500 "$in/model.safetensors" >"$in/truncated.safetensors"
    cp "$in"/axial/IM000[12].dcm "$in/two/"
    cp "$in"/axial/*.dcm "$in/gap/"
    rm "$in/gap/IM0020.dcm"
    cp "$in/axial.nii.gz" "$in/half_set/T1w/"
    cp "$in/text.txt" "$in/bad_set/T1w/"
    # the modality and the class of the object, in place
    for n in "$in"/axial/*.dcm; do
        LC_ALL=C sed 's/\x08\x00\x60\x00CS\x02\x00MR/\x08\x00\x60\x00CS\x02\x00CT/
            s/1\.2\.840\.10008\.5\.1\.4\.1\.1\.4\x00/1.2.840.10008.5.1.4.1.1.2\x00/g' "$n" >"$in/ct/${n##*/}"
    done
}
