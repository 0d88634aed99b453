/* viewer.js: three planes through several images of one grid, in any browser and without a network. The page holds the images as
 * PNG: the axial slices side by side. Voxel (i, j, k) runs to the patient's left, back and head. */
(function () {
    'use strict';
    var root = document.currentScript.parentNode;
    var spec = JSON.parse(root.querySelector('script[type="application/json"]').textContent);
    var size = spec.size, mm = spec.mm, at = size.map(function (n) { return n >> 1; });
    var mode = 'one', mix = 50, bright = 100, shown = [0, spec.images.length > 1 ? 1 : 0], swapped = false, timer = null, active = 0;
    /* of each plane: which axis runs to the right, which downwards (and whether backwards), which is cut */
    var planes = [
        { name: 'axial', u: 0, v: 1, back: false, cut: 2, letters: ['R', 'L', 'A', 'P'] },
        { name: 'coronal', u: 0, v: 2, back: true, cut: 1, letters: ['R', 'L', 'S', 'I'] },
        { name: 'sagittal', u: 1, v: 2, back: true, cut: 0, letters: ['A', 'P', 'S', 'I'] }
    ];

    function element(tag, parent, text) {
        var e = document.createElement(tag);
        if (text) e.textContent = text;
        parent.appendChild(e);
        return e;
    }

    function unpack(image, done) {
        var img = new Image();
        img.onload = function () {
            var page = document.createElement('canvas'), x, y, k, from, to = 0;
            page.width = img.width;
            page.height = img.height;
            var context = page.getContext('2d', { willReadFrequently: true });
            context.drawImage(img, 0, 0);
            var rgba = context.getImageData(0, 0, img.width, img.height).data;
            image.voxels = new Uint8Array(size[0] * size[1] * size[2]);
            for (k = 0; k < size[2]; ++k)
                for (y = 0; y < size[1]; ++y) {
                    from = ((Math.floor(k / spec.across) * size[1] + y) * img.width + (k % spec.across) * size[0]) * 4;
                    for (x = 0; x < size[0]; ++x, from += 4) image.voxels[to++] = rgba[from];
                }
            done();
        };
        img.src = 'data:image/png;base64,' + image.png;
        image.png = '';
    }

    function voxel(plane, x, y) {
        var p = at.slice();
        p[plane.u] = x;
        p[plane.v] = plane.back ? size[plane.v] - 1 - y : y;
        return (p[2] * size[1] + p[1]) * size[0] + p[0];
    }

    function paint(pixels, n, a, b, part) {
        var d = (b - a) * bright / 50, grey;
        if (mode === 'difference') { /* red: the second is brighter; blue: darker */
            pixels[n] = d > 0 ? d : 0;
            pixels[n + 1] = 0;
            pixels[n + 2] = d < 0 ? -d : 0;
        } else {
            grey = (mode === 'blend' ? a + (b - a) * mix / 100 : mode === 'curtain' && part * 100 > mix ? b : a) * bright / 100;
            pixels[n] = pixels[n + 1] = pixels[n + 2] = grey;
        }
        pixels[n + 3] = 255;
    }

    function mark(context, plane, width, height) {
        var x = (at[plane.u] + 0.5) / size[plane.u] * width;
        var y = ((plane.back ? size[plane.v] - 1 - at[plane.v] : at[plane.v]) + 0.5) / size[plane.v] * height;
        context.strokeStyle = 'rgba(255,200,0,.55)';
        context.beginPath();
        context.moveTo(x, 0);
        context.lineTo(x, height);
        context.moveTo(0, y);
        context.lineTo(width, y);
        context.stroke();
        if (mode === 'curtain') {
            context.strokeStyle = '#fff';
            context.strokeRect(width * mix / 100, -2, 0, height + 4);
        }
        if (!spec.letters) return;
        context.fillStyle = '#fc0';
        context.font = 'bold 14px system-ui,sans-serif';
        context.textAlign = 'center';
        context.fillText(plane.letters[0], 10, height / 2 + 5);
        context.fillText(plane.letters[1], width - 10, height / 2 + 5);
        context.fillText(plane.letters[2], width / 2, 16);
        context.fillText(plane.letters[3], width / 2, height - 6);
    }

    function draw(plane) {
        var nu = size[plane.u], nv = size[plane.v], first = spec.images[shown[swapped ? 1 : 0]].voxels,
            second = spec.images[shown[swapped ? 0 : 1]].voxels, x, y, n = 0, v;
        if (!first || !second) return;
        var small = document.createElement('canvas'), context = plane.canvas.getContext('2d');
        small.width = nu;
        small.height = nv;
        var data = small.getContext('2d').createImageData(nu, nv);
        for (y = 0; y < nv; ++y)
            for (x = 0; x < nu; ++x, n += 4) {
                v = voxel(plane, x, y);
                paint(data.data, n, first[v], second[v], (x + 0.5) / nu);
            }
        small.getContext('2d').putImageData(data, 0, 0);
        context.imageSmoothingEnabled = true;
        context.drawImage(small, 0, 0, plane.canvas.width, plane.canvas.height);
        mark(context, plane, plane.canvas.width, plane.canvas.height);
        plane.slider.value = at[plane.cut];
        plane.label.textContent = plane.name + ' ' + (at[plane.cut] + 1) + ' of ' + size[plane.cut];
        plane.box.style.outline = planes[active] === plane ? '2px solid #fc0' : 'none';
    }

    function drawAll() {
        planes.forEach(draw);
        var names = shown.map(function (n) { return spec.images[n].name; });
        if (swapped) names.reverse();
        caption.textContent = mode === 'one' ? names[0] : mode === 'flicker' ? names[0] + ' (flickers with ' + names[1] + ')' :
            mode === 'difference' ? names[1] + ' less ' + names[0] + ': red brighter, blue darker' :
            mode === 'blend' ? names[0] + ', with ' + mix + ' % of ' + names[1] : names[0] + ' left of the line, ' + names[1] + ' right of it';
    }

    function setMode(next) {
        mode = next;
        clearInterval(timer);
        swapped = false;
        if (mode === 'flicker')
            timer = setInterval(function () {
                swapped = !swapped;
                drawAll();
            }, 500);
        Object.keys(buttons).forEach(function (name) { buttons[name].setAttribute('aria-pressed', name === mode); });
        drawAll();
    }

    function step(axis, by) {
        at[axis] = Math.min(size[axis] - 1, Math.max(0, at[axis] + by));
        drawAll();
    }

    function pointAt(plane, event) {
        var box = plane.canvas.getBoundingClientRect();
        var u = Math.floor((event.clientX - box.left) / box.width * size[plane.u]);
        var v = Math.floor((event.clientY - box.top) / box.height * size[plane.v]);
        at[plane.u] = Math.min(size[plane.u] - 1, Math.max(0, u));
        v = Math.min(size[plane.v] - 1, Math.max(0, v));
        at[plane.v] = plane.back ? size[plane.v] - 1 - v : v;
        active = planes.indexOf(plane);
        drawAll();
    }

    function slider(parent, name, low, high, value, change) {
        var label = element('label', parent, name + ' '), input = element('input', label);
        input.type = 'range';
        input.min = low;
        input.max = high;
        input.value = value;
        input.oninput = function () {
            change(Number(input.value));
            drawAll();
        };
        return input;
    }

    function chooser(parent, name, which) {
        var label = element('label', parent, name + ' '), select = element('select', label);
        spec.images.forEach(function (image, n) {
            var option = element('option', select, image.name);
            option.value = n;
            option.selected = n === shown[which];
        });
        select.onchange = function () {
            shown[which] = Number(select.value);
            drawAll();
        };
        return select;
    }

    function makePlane(plane, parent) {
        var wide = size[plane.u] * mm[plane.u], high = size[plane.v] * mm[plane.v], most = Math.max(wide, high);
        plane.box = element('div', parent);
        plane.box.className = 'plane';
        plane.canvas = element('canvas', plane.box);
        plane.canvas.width = Math.max(32, Math.round(420 * wide / most));
        plane.canvas.height = Math.max(32, Math.round(420 * high / most));
        plane.canvas.onpointerdown = function (event) {
            plane.canvas.setPointerCapture(event.pointerId);
            pointAt(plane, event);
        };
        plane.canvas.onpointermove = function (event) { if (event.buttons) pointAt(plane, event); };
        plane.canvas.onwheel = function (event) {
            event.preventDefault();
            active = planes.indexOf(plane);
            step(plane.cut, event.deltaY < 0 ? 1 : -1);
        };
        var label = element('label', plane.box);
        plane.label = element('span', label);
        plane.slider = element('input', label);
        plane.slider.type = 'range';
        plane.slider.min = 0;
        plane.slider.max = size[plane.cut] - 1;
        plane.slider.oninput = function () {
            active = planes.indexOf(plane);
            at[plane.cut] = Number(plane.slider.value);
            drawAll();
        };
    }

    var bar = element('div', root), caption = element('p', root), grid = element('div', root), buttons = {};
    bar.className = 'bar';
    grid.className = 'planes';
    var chosen = [chooser(bar, 'show', 0), chooser(bar, 'with', 1)];
    ['one', 'blend', 'curtain', 'flicker', 'difference'].forEach(function (name) {
        var button = buttons[name] = element('button', bar, name);
        button.type = 'button';
        button.onclick = function () { setMode(name); };
        button.disabled = spec.images.length < 2 && name !== 'one';
    });
    var mixer = slider(bar, 'mix', 0, 100, mix, function (value) { mix = value; });
    slider(bar, 'brightness', 20, 300, bright, function (value) { bright = value; });
    planes.forEach(function (plane) { makePlane(plane, grid); });
    element('p', root, 'Keys: up and down cut elsewhere, p the next plane, 1 to 9 the image, o one, b blend, c curtain, f flicker, ' +
        'd difference, x exchange, left and right mix. A click or a finger moves the cross; the wheel cuts elsewhere.').className = 'keys';

    document.addEventListener('keydown', function (event) {
        var modes = { o: 'one', b: 'blend', c: 'curtain', f: 'flicker', d: 'difference' }, key = event.key;
        if (event.ctrlKey || event.altKey || event.metaKey || /^(SELECT|INPUT)$/.test(event.target.tagName)) return;
        if (modes[key] && !buttons[modes[key]].disabled) setMode(modes[key]);
        else if (key === 'ArrowUp' || key === 'PageUp') step(planes[active].cut, key === 'PageUp' ? 10 : 1);
        else if (key === 'ArrowDown' || key === 'PageDown') step(planes[active].cut, key === 'PageDown' ? -10 : -1);
        else if (key === 'ArrowLeft' || key === 'ArrowRight') {
            mix = Math.min(100, Math.max(0, mix + (key === 'ArrowLeft' ? -5 : 5)));
            mixer.value = mix;
            drawAll();
        } else if (key === 'p') {
            active = (active + 1) % 3;
            drawAll();
        } else if (key === 'x') {
            shown.reverse();
            chosen.forEach(function (select, n) { select.value = shown[n]; });
            drawAll();
        } else if (key >= '1' && key <= '9' && Number(key) <= spec.images.length) {
            if (shown[1] === Number(key) - 1) shown[1] = shown[0]; /* never an image with itself */
            shown[0] = Number(key) - 1;
            chosen.forEach(function (select, n) { select.value = shown[n]; });
            drawAll();
        } else return;
        event.preventDefault();
    });

    var left = spec.images.length;
    spec.images.forEach(function (image) {
        unpack(image, function () {
            if (--left === 0) {
                setMode('one');
                root.dataset.ready = 'yes';
            }
        });
    });
})();
